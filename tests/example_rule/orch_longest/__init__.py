"""A merge rule of another distribution."""
