"""Pictures of pages for the documentation, from a demo log."""
