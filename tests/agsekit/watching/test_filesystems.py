from __future__ import annotations

from pathlib import Path

import pytest

from agsekit.watching.filesystems import shared_type

MOUNTS = r"""
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 21 0:20 / /home/me/remote rw shared:1 - fuse.sshfs host:/ rw
23 21 0:21 / /home/me/with\040space rw,nosuid shared:2 master:3 - nfs4 server:/export rw
24 23 0:22 / /home/me/with\040space/local rw - tmpfs tmpfs rw
25 21 0:23 / /covered rw - 9p share rw
26 21 8:1 / /covered rw - fuseblk /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", None),
        ("/home/me/remote", "fuse.sshfs"),
        ("/home/me/remote-not/project", None),
        ("/home/me/with space/project", "nfs4"),
        ("/home/me/with space/local/project", None),
        ("/covered/project", None),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_the_innermost_and_last_mount(
    tmp_path: Path, folder: str, kind: str | None
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.lstrip())

    assert shared_type(Path(folder), table) == kind


def test_the_table_of_this_machine_can_be_read(tmp_path: Path) -> None:
    assert shared_type(Path("/proc")) is None
    assert shared_type(tmp_path, tmp_path / "no table") is None
