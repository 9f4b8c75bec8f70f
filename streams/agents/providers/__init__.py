"""Provider clients, their HTTP transport, and their errors."""
