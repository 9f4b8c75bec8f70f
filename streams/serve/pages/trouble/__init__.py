"""Pages of questions and records that failed, with their retry."""
