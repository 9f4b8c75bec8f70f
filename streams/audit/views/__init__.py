"""Views of a log in SQL."""
