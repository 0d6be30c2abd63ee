"""How it is told that a run destroys much, and how the user decides what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agsekit.agents.guarding import Ask, Decision, LossHooks
from agsekit.cli import render
from agsekit.cli.context import Context
from agsekit.cli.references import with_folders
from agsekit.i18n import _
from agsekit.notify import notify
from agsekit_storage.events import OnEvent

if TYPE_CHECKING:
    from agsekit.config.model import Mount
    from agsekit.protection.loss import Loss


def hooks(context: Context, mount: Mount, on_event: OnEvent) -> LossHooks:
    """Return how losses of a run in a mount are told."""

    def on_loss(loss: Loss, taken: bool) -> None:
        text = describe(loss, mount.source)
        if not taken:
            render.warn(text)
        notify(_("An agent destroys files"), text, context.runner())

    def stopped(loss: Loss, whole_vm: bool) -> str:
        sentence = _("Its VM is suspended, with all that runs in it.") if whole_vm else _("The agent is stopped.")
        kept = _("The state before is snapshot {id}, which is kept.").format(id=loss.good)
        return f"{describe(loss, mount.source)} {sentence}\n{kept}"

    return LossHooks(
        on_loss,
        stopped,
        _decide,
        lambda count: _("Brought back {count} paths; the agent goes on.").format(count=count),
        on_event,
    )


def _decide(loss: Loss, ask: Ask) -> Decision:
    """Ask until there is an answer; where nobody answers, the agent ends."""
    words = {"c": Decision.CONTINUE, "r": Decision.RESTORE, "e": Decision.END}
    while True:
        answer = ask(_("[c]ontinue, [r]estore these files and continue, or [e]nd the agent? "))
        if answer is None:
            return Decision.END
        decision = words.get(answer[:1].lower())
        if decision:
            return decision


def describe(loss: Loss, folder: Path) -> str:
    """Return the sentence about what a run has destroyed."""
    name = render.safe(str(folder))
    if loss.vanished:
        return _("The folder {folder} is gone.").format(folder=name)
    return _("{lost} of {had} files in {folder} are gone or nearly empty.").format(
        lost=loss.lost, had=loss.had, folder=name
    )


def warn_of(context: Context, losses: Sequence[Loss], mount: Mount, *, ended: bool) -> None:
    """Say after a run what it destroyed, and how to get it back."""
    for loss in losses:
        render.warn(_("during the run: {what}").format(what=describe(loss, mount.source)))
    if ended:
        render.warn(_("The agent was ended for that (`guard: pause`)."))
    if losses:
        words = ["snapshots", "restore", losses[0].good]
        command = render.shell_line(with_folders(context, words, mount.source, mount.backup))
        render.say(_("The state before is kept. To go back to it:") + f"\n  {command}")
