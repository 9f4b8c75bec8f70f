"""Load trial of `orch serve`: many clients, and a kill."""
