"""htmx, as it lies beside the pages."""
