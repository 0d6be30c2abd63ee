"""The backends by name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from agsekit_storage.backends.base import Backend, BackendFactory
from agsekit_storage.errors import StorageError, StoreRefused


def _rsync(store: Path) -> Backend:
    from agsekit_storage.backends.rsync_links import RsyncLinksBackend

    return RsyncLinksBackend(store)


def _git(store: Path) -> Backend:
    if not is_available("git"):
        raise StorageError(
            "the backend git needs pygit2, which is not installed",
            hint="run `pip install pygit2`, or choose the backend rsync",
        )
    from agsekit_storage.backends.git_shadow import GitShadowBackend

    return GitShadowBackend(store)


_FACTORIES: dict[str, BackendFactory] = {"rsync": _rsync, "git": _git}

BACKENDS = tuple(_FACTORIES)


def backend_factory(name: str) -> BackendFactory:
    """Return what makes the backend of this name.

    Raises:
        StoreRefused: there is none.
    """
    try:
        return _FACTORIES[name]
    except KeyError:
        raise StoreRefused(
            "there is no backend {name!r}", hint="choose one of: {names}", name=name, names=", ".join(_FACTORIES)
        ) from None


def is_available(name: str) -> bool:
    """Tell whether what a backend needs is installed."""
    return name != "git" or find_spec("pygit2") is not None
