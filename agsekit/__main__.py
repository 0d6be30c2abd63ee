"""The entry point of the console script, with quick answers to `--version` and to shells that complete words."""

# Not even __future__ or typing: that answer would take half as long again.
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    words = sys.argv[1:]
    if words == ["--version"]:
        from agsekit import __version__

        sys.stdout.write(f"agsekit {__version__}\n")
        sys.exit(0)
    if words[:1] == ["__complete"]:
        from agsekit.cli.completion import main as complete

        sys.exit(complete(words[1:]))
    from agsekit.cli.main import run

    sys.exit(run(words))


if __name__ == "__main__":
    main()
