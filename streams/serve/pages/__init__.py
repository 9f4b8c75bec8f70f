"""Pages of `orch serve`, for people with a browser."""
