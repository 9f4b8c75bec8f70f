"""Pages of evaluations that were made beside the log."""
