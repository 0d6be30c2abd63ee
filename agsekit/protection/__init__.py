"""Mounts and stores brought together: the snapshots around a run, and the loops that take them."""
