"""Group members that ask agents and declare deadlines."""
