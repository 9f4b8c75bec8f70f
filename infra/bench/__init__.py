"""Measures the product on this machine, with durable logs and against plain baselines; `orch bench` prints it."""
