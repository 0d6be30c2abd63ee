"""What commands about snapshots, runs and agents say."""

from __future__ import annotations

SENTENCES: dict[str, str | tuple[str, ...]] = {}
