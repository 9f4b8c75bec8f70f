"""Pages of replays, checkpoints and other policies."""
