"""agsekit: AI coding agents in isolated machines, with snapshots they cannot reach."""

__version__ = "0.1.0"
