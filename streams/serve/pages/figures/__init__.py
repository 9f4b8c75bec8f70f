"""Pages of sums over a log, which are kept up."""
