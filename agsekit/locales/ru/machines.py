"""What is said of VMs, mounts, the network and services."""

from __future__ import annotations

SENTENCES: dict[str, str | tuple[str, ...]] = {}
