"""All that the rest of the application says."""

from __future__ import annotations

SENTENCES: dict[str, str | tuple[str, ...]] = {}
