"""The only room that calls models: agents, and the worker that gives them their seats."""
