"""The composition root: every job of the program, without click."""
