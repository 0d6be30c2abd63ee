"""The backends by name."""

from __future__ import annotations

from pathlib import Path

from agsekit_storage.backends.base import Backend, BackendFactory
from agsekit_storage.errors import StoreRefused


def _rsync(store: Path) -> Backend:
    from agsekit_storage.backends.rsync_links import RsyncLinksBackend

    return RsyncLinksBackend(store)


_FACTORIES: dict[str, BackendFactory] = {"rsync": _rsync}

BACKENDS = tuple(_FACTORIES)


def backend_factory(name: str) -> BackendFactory:
    """Return what makes the backend of this name.

    Raises:
        StoreRefused: there is none.
    """
    try:
        return _FACTORIES[name]
    except KeyError:
        raise StoreRefused(f"there is no backend {name!r}", hint="choose one of: " + ", ".join(_FACTORIES)) from None
