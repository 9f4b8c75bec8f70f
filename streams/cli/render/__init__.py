"""Text for terminals: trees, tables, figures and progress."""
