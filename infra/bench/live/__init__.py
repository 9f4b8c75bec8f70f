"""Benchmarks of live agents over real HTTP."""
