"""The whole diagnosis: every check, each on its own, so that one that fails does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from agsekit.errors import AgsekitError
from agsekit.i18n import _, sentence_and_hint
from agsekit.overview.check import FAIL, OK, Check, Surroundings
from agsekit.overview.check_config import check_config
from agsekit.overview.check_host import check_host
from agsekit.overview.check_machines import check_machines
from agsekit.overview.check_services import check_services
from agsekit.overview.check_stores import check_mounts
from agsekit_storage.errors import StorageError


def diagnose(around: Surroundings, config_path: Path, problem: Optional[AgsekitError]) -> Iterator[Check]:
    """Yield all checks; `problem` is why there is no configuration, if there is none."""
    yield from check_config(config_path, around.config, problem)
    parts: tuple[Callable[[Surroundings], Iterator[Check]], ...] = (
        check_host,
        check_mounts,
        check_machines,
        check_services,
    )
    for part in parts:
        try:
            yield from part(around)
        except (AgsekitError, StorageError, OSError) as error:
            name = part.__name__.replace("check_", "").replace("_", "-")
            yield Check(name, FAIL, *sentence_and_hint(error))


@dataclass(frozen=True)
class Mended:
    """What came of mending: a sentence on what was done, or on why it could not be."""

    done: bool
    text: str


def mend(check: Check) -> Optional[Mended]:
    """Put right what a check found; None when that cannot be done here."""
    if check.mend is None or check.result == OK:
        return None
    try:
        return Mended(True, check.mend())
    except (AgsekitError, StorageError, OSError) as error:
        return Mended(False, _("could not be mended: {reason}").format(reason=sentence_and_hint(error)[0]))
