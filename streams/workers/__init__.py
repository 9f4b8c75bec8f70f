"""Members of a group that give agents their seats and end the wait for them."""
