"""
Runtimes that host the processors, one folder each.

`streams/log.py` is the contract that each of them keeps.
"""
