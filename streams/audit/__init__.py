"""Read-only proofs and explanations of a log."""
