"""What is said of the configuration."""

from __future__ import annotations

SENTENCES: dict[str, str | tuple[str, ...]] = {}
