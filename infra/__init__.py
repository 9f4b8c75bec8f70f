"""What stands around the program: measurements, and later brokers, containers and dashboards."""
