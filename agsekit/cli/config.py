"""Commands about the configuration."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from agsekit.cli import render
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.shared_options import JsonOption
from agsekit.errors import ExitCode
from agsekit.i18n import _

if TYPE_CHECKING:
    from agsekit.config.problems import Finding


@page(
    _("It explains every key. An existing file is left alone."),
    (_("Write it where agsekit looks for it"), "agsekit config-example"),
    (_("Write it elsewhere"), "agsekit config-example ~/agsekit.yaml"),
)
def config_example(
    ctx: typer.Context,
    path: Annotated[
        Optional[Path],
        typer.Argument(metavar="PATH", help=_("Where to write it (default: the user's configuration).")),
    ] = None,
) -> None:
    """Write an example configuration with every key explained. An existing file is left alone."""
    from agsekit.config.example import write_example

    target = path or context_of(ctx).find_config()
    if write_example(target):
        render.say(_("Wrote {path}. Next: edit it, then `agsekit run AGENT`.").format(path=render.safe(str(target))))
    else:
        render.say(_("{path} exists and was left alone.").format(path=render.safe(str(target))))


@page(
    _(
        "Everything is told at once, warnings beside problems, each with its file, line and key. The exit code is 10 "
        "when there are problems, and 0 when there are warnings only."
    ),
    (_("Check the configuration that agsekit uses"), "agsekit config validate"),
    (_("Check another one, for a script"), "agsekit config validate --json --config ~/agsekit.yaml"),
)
def validate(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with the configuration."""
    from agsekit.config.load import check_config

    context = context_of(ctx)
    path = context.find_config()
    config, findings = check_config(path, home=context.home)
    if as_json:
        render.print_json(_document(path, findings, valid=config is not None))
    else:
        for finding in findings:
            render.result(_line(path, finding))
        if config is not None and not context.quiet:
            counts = {"vms": len(config.vms), "mounts": len(config.mounts), "agents": len(config.agents)}
            text = _("{path} is valid (VMs: {vms}, mounts: {mounts}, agents: {agents})")
            render.result(text.format(path=render.safe(str(path)), **counts))
    if config is None:
        raise typer.Exit(ExitCode.CONFIG)


def _line(path: Path, finding: "Finding") -> str:
    word = _("warning:") if finding.is_warning else _("error:")
    coloured = render.styled(word, "warning" if finding.is_warning else "error", sys.stdout)
    key = f"{render.safe(finding.key)}: " if finding.key else ""
    return f"{render.safe(str(path))}:{finding.line}: {coloured} {key}{render.safe(finding.problem)}"


def _document(path: Path, findings: "Sequence[Finding]", *, valid: bool) -> dict[str, Any]:
    """Return the document of `config validate`; docs/configuration.md describes it."""
    entries = [(each.is_warning, {"line": each.line, "key": each.key, "message": each.problem}) for each in findings]
    return {
        "file": str(path),
        "valid": valid,
        "problems": [entry for is_warning, entry in entries if not is_warning],
        "warnings": [entry for is_warning, entry in entries if is_warning],
    }


@page(
    _(
        "It is for editors, which complete and check by it: a YAML file names it in a comment in its first line, "
        "as the files that agsekit writes do."
    ),
    (_("Keep a copy for an editor elsewhere"), "agsekit config schema > agsekit-schema.json"),
)
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of the configuration."""
    from agsekit.config import schema as made

    sys.stdout.write(made.text())


@page(
    _("The file need not exist. It is that of --config, $CONFIG_PATH or $AGSEKIT_CONFIG, or the usual one."),
    (_("See which one --config stands for"), "agsekit config path --config ~/agsekit.yaml"),
)
def path(ctx: typer.Context) -> None:
    """Print where the configuration is looked for."""
    render.result(str(context_of(ctx).find_config().absolute()))


@page(
    _(
        "With all defaults filled in, and null where nothing is said. Secrets are shown as ***; values that are "
        "looked up when an agent starts are shown as what they refer to."
    ),
    (_("See what agsekit makes of it"), "agsekit config show"),
    (_("For a program"), "agsekit config show --json"),
)
def show(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show the configuration as agsekit understands it."""
    from agsekit.config import show as shown

    context = context_of(ctx)
    config = context.load_config()
    for warning in config.warnings:
        render.warn(render.safe(warning))
    if as_json:
        render.print_json({"file": str(config.path), "config": shown.plain_document(config)})
        return
    text = shown.text(config)
    if any(render.safe(line) != line for line in text.splitlines()):
        text = shown.text(config, only_ascii=True)
    sys.stdout.write(text)
