"""
Benchmarks of the program, beside plain baselines.

`orch bench` runs them with durable logs on this machine and prints the figures.
"""
