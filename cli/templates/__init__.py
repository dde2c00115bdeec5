"""The projects that `mle init` begins."""
