"""The entry point of the console script, with an answer to `--version` that imports nothing."""

from __future__ import annotations

import sys
from typing import Optional


def main(arguments: Optional[list[str]] = None) -> None:
    """Run the command line and exit with its code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words == ["--version"]:
        from agsekit import __version__

        sys.stdout.write(f"agsekit {__version__}\n")
        sys.exit(0)
    from agsekit.cli.main import run

    sys.exit(run(words))


if __name__ == "__main__":
    main()
