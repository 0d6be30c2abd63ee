"""How risky paths are told: what a run left that this machine would execute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from agsekit.cli import render
from agsekit.i18n import _

if TYPE_CHECKING:
    from agsekit.protection.risky import Risk
    from agsekit.protection.session import Summary

_SHOWN = 10


def lines(risks: Sequence[Risk]) -> Iterator[str]:
    """Yield a line for every path: is it new, what is it called, and who would execute it when."""
    for risk in risks:
        status = _("new") if risk.status == "new" else _("changed")
        yield f"{status} {render.safe_path(risk.path)}: {_reason(risk.kind)}"


Command = Callable[[Sequence[str]], Sequence[str]]
"""Makes a command line for the store of the run from the words of a command."""


def show(summary: Summary, run_id: str, command: Command) -> None:
    """Say after a run what this machine would execute of it, and how to get at what was put back."""
    if not summary.risks:
        return
    put_back = frozenset(summary.put_back)
    left = [risk for risk in summary.risks if risk.path not in put_back]
    if left:
        render.warn(_("look at these before you use them; this machine would execute or obey them:"))
        _say(left, run_id, command)
    if put_back:
        render.warn(_("put back as they were before the run, because this machine would execute or obey them:"))
        _say([risk for risk in summary.risks if risk.path in put_back], run_id, command)
        render.say(_("What the run made of them is kept. To take one all the same, name its path:"))
        kept = summary.after.id if summary.after else "latest"
        render.say("  " + render.shell_line(command(["snapshots", "restore", kept])) + " PATH")


def _say(risks: Sequence[Risk], run_id: str, command: Command) -> None:
    for line in lines(risks[:_SHOWN]):
        render.say("  " + line)
    if len(risks) > _SHOWN:
        line = render.shell_line(command(["runs", "show", run_id, "--risky"]))
        render.say("  " + _("and {count} more; all of them:").format(count=len(risks) - _SHOWN) + f" {line}")


def _reason(kind: str) -> str:
    reasons = {
        "git-hook": _("git runs it"),
        "git-config": _("git obeys it, and it can name programs"),
        "git-attributes": _("it names filters that git runs"),
        "shell": _("a shell runs it on entering the folder"),
        "editor": _("an editor runs what it names"),
        "git-checks": _("git hooks run what it names"),
        "npm-scripts": _("its scripts run on installing and building"),
        "package-manager": _("a package manager obeys it"),
        "python-start": _("Python runs it when it starts"),
        "agent": _("an agent on this machine runs what it names"),
        "ci": _("it runs where the project is built"),
        "packages": _("installed programs and packages"),
        "executable": _("it can be executed now"),
        "link-out": _("a link that leads out of the folder"),
    }
    return reasons.get(kind, kind)
