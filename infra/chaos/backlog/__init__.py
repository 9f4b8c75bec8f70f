"""A backlog of open questions that outlives its owners."""
