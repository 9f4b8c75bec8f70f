"""
Stream processors of ORCH, their runtimes, agents, audits and commands.

README.md beside this file is the map.
"""
