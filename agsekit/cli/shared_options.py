"""Options that several commands take, each declared once."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.i18n import _

SourceOption = Annotated[
    Optional[Path], typer.Option("--source-dir", metavar="FOLDER", help=_("The folder to protect."))
]
StoreOption = Annotated[
    Optional[Path], typer.Option("--dest-dir", metavar="FOLDER", help=_("The folder that holds its snapshots."))
]
JsonOption = Annotated[bool, typer.Option("--json", help=_("Print one JSON document."))]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help=_("Do not ask."))]
DryRunOption = Annotated[bool, typer.Option("--dry-run", "-n", help=_("Only show what would be done."))]
