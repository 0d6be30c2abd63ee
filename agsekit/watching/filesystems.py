"""Where inotify does not tell of everything: file systems that others write to as well."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Optional

_NETWORK = ("9p", "afs", "ceph", "cifs", "coda", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs")
_CLUSTER = ("gfs2", "gpfs", "ocfs2")
_OF_A_HOST = ("drvfs", "prl_fs", "vboxsf", "virtiofs", "vmhgfs", "wslfs")
_SHARED = frozenset((*_NETWORK, *_CLUSTER, *_OF_A_HOST, "fuse"))
_MOUNTS = Path("/proc/self/mountinfo")


def shared_type(folder: Path, mounts: Path = _MOUNTS) -> Optional[str]:
    """Return the type of the file system of a folder when others may write to it unseen; None for a local one.

    `folder` is a real path; `mounts` is a table such as the kernel's `mountinfo`.
    """
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return None
    wanted = os.fsencode(folder)
    found, found_type = b"", ""
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        point = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), fields[4]).rstrip(b"/")
        # Of two at the same place the later one covers the other.
        if (wanted == point or wanted.startswith(point + b"/")) and len(point) >= len(found):
            found, found_type = point, after.split(b" ")[0].decode("ascii", "replace")
    is_shared = found_type in _SHARED or found_type.startswith("fuse.")
    return found_type if is_shared else None
