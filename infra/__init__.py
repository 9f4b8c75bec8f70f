"""Benchmarks, a local broker, fault trials, recorded models, deployment files."""
