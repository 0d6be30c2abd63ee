"""What the storage library says."""

from __future__ import annotations

SENTENCES: dict[str, str | tuple[str, ...]] = {}
