"""What commands are called to do: help, usage, questions."""

from __future__ import annotations

SENTENCES: dict[str, str | tuple[str, ...]] = {}
