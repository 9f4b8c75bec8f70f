"""Merkle trees, checkpoints and receipts of a log."""
