"""What this software is made of, for whoever answers for it: its packages, their licences, and
what is known against them. Runs in the development environment alone."""
