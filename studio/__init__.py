"""The web portal: its source in `src`, and in `dist`, once it is built, what browsers get."""
