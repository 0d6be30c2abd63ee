from __future__ import annotations

from collections.abc import Callable

import pytest

from agsekit.config.model import Config

Load = Callable[[str], Config]
Problems = Callable[[str], list[str]]

VMS = "vms: {one: {}, two: {}}\nmounts:\n"


@pytest.mark.parametrize(
    ("mounts", "problem"),
    [
        (
            "  - {source: /a, target: /t1, backup: /b1}\n  - {source: /a/, target: /t2, backup: /b2}\n",
            "4: mounts[1].source: is mounted in the same VM by mounts[0] too",
        ),
        (
            "  - {source: /a, target: /t, backup: /b1}\n  - {source: /c, target: /t/, backup: /b2}\n",
            "4: mounts[1].target: is used in the same VM by mounts[0] too",
        ),
        (
            "  - {source: /x/a}\n  - {source: /y/a}\n",
            "4: mounts[1].target: is used in the same VM by mounts[0] too",
        ),
        (
            "  - {source: /a, backup: /b}\n  - {source: /c, backup: /b, vm: two}\n",
            "4: mounts[1].backup: is the backup folder of mounts[0] too; give each mount its own",
        ),
        (
            "  - {source: /a, backup: /a/b}\n",
            "3: mounts[0].backup: '/a/b' lies inside '/a', which mounts[0] hands to an agent; put it elsewhere",
        ),
        (
            "  - {source: /a, backup: /a}\n",
            "3: mounts[0].backup: '/a' lies inside '/a', which mounts[0] hands to an agent; put it elsewhere",
        ),
        (
            "  - {source: /a, backup: /c/b}\n  - {source: /c, vm: two}\n",
            "3: mounts[0].backup: '/c/b' lies inside '/c', which mounts[1] hands to an agent; put it elsewhere",
        ),
        (
            "  - {source: /b/a, backup: /b}\n",
            "3: mounts[0].source: '/b/a' lies inside '/b', the backup folder of mounts[0]",
        ),
        (
            "  - {source: /code}\n  - {source: /code/project}\n",
            "4: mounts[1].backup: '/code/backups-project' lies inside '/code', which mounts[0] hands to an "
            "agent; put it elsewhere",
        ),
    ],
)
def test_mounts_that_get_in_each_others_way_are_refused(problems: Problems, mounts: str, problem: str) -> None:
    assert problems(VMS + mounts) == [problem]


@pytest.mark.parametrize(
    "mounts",
    [
        "  - {source: /a, vm: one}\n  - {source: /a, vm: two, backup: /b2}\n",
        "  - {source: /a, target: /t, vm: one}\n  - {source: /b, target: /t, vm: two}\n",
        "  - {source: /a, backup: /ab}\n  - {source: /abc, backup: /abcd}\n",
        "  - {source: /a, backup: /z1}\n  - {source: /a/b, backup: /z2}\n",
    ],
)
def test_mounts_that_only_look_alike_are_accepted(load: Load, mounts: str) -> None:
    assert len(load(VMS + mounts).mounts) == 2


def test_the_default_in_place_of_a_wrong_value_is_compared_with_nothing(problems: Problems) -> None:
    found = problems(VMS + "  - {source: /x/a}\n  - {source: /y/a, target: a}\n")

    assert len(found) == 1
    assert "must be an absolute path" in found[0]
