"""The engines: what isolates an agent from the host."""
