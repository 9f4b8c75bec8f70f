"""Who carries requests to providers, and what becomes of what they answer."""
