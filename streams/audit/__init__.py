"""Read-only: proofs and explanations of what a log says."""
