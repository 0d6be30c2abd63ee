"""What happens when a run destroys much: the user is told at once, and may decide while the agent is stopped."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from agsekit.attention import Foreground
from agsekit.config.model import Vm
from agsekit.engines.base import Engine
from agsekit.errors import AgsekitError
from agsekit.i18n import _, sentence_and_hint
from agsekit.protection.loss import Loss
from agsekit.protection.session import ProtectedRun
from agsekit_storage.errors import StorageError
from agsekit_storage.events import OnEvent

Ask = Callable[[str], Optional[str]]
"""Shows a question and returns the line that is answered, None when nobody answers."""


class Decision(enum.Enum):
    """What is to become of an agent that has destroyed much."""

    CONTINUE = "continue"
    RESTORE = "restore"
    END = "end"


@dataclass(frozen=True)
class LossHooks:
    """How a loss is told.

    `on_loss` is called at once, with whether the terminal is the agent's (then nothing may be printed). `describe`
    returns what is said once the agent, or with True its whole VM, is stopped; `decide` asks what to do.
    `say_restored` gets the number of paths that are back.
    """

    on_loss: Callable[[Loss, bool], None]
    describe: Callable[[Loss, bool], str]
    decide: Callable[[Loss, Ask], Decision]
    say_restored: Callable[[int], str]
    on_event: OnEvent


class LossGuard:
    """Hears of losses while the agent runs. `ended` turns True when the agent was ended for one."""

    def __init__(self, run: ProtectedRun, engine: Engine, vm: Vm, hooks: LossHooks, *, pause: bool) -> None:
        self._run = run
        self._engine = engine
        self._vm = vm
        self._hooks = hooks
        self._pause = pause
        self.ended = False

    @property
    def descriptor(self) -> int:
        """Readable when there may be a loss."""
        return self._run.descriptor

    def attend(self, program: Foreground) -> None:
        """Hear what the protector reports, tell it, and have the user decide where that is wanted."""
        for loss in self._run.hear():
            program.bell()
            if self._pause and not self.ended:
                self._stop_and_ask(loss, program)
            else:
                self._hooks.on_loss(loss, program.interactive)

    def _stop_and_ask(self, loss: Loss, program: Foreground) -> None:
        try:
            self._engine.pause(self._vm, program.process)
        except AgsekitError as error:
            # What cannot be stopped for a while is stopped for good.
            self._hooks.on_loss(loss, program.interactive)
            self._end(program, sentence_and_hint(error)[0])
            return
        self._hooks.on_loss(loss, True)
        with program.terminal_back():
            program.say(self._hooks.describe(loss, self._engine.capabilities.pauses_vm))
            decision = self._hooks.decide(loss, program.ask)
            if decision is Decision.RESTORE:
                self._restore(loss, program)
            if decision is Decision.END:
                self._end(program)
        self._let_go_on(program)

    def _restore(self, loss: Loss, program: Foreground) -> None:
        try:
            program.say(self._hooks.say_restored(self._run.bring_back(loss, on_event=self._hooks.on_event)))
        except (StorageError, OSError) as error:
            message, hint = sentence_and_hint(error)
            program.say(_("the files could not be brought back: {reason}").format(reason=message))
            if hint:
                program.say(hint)

    def _end(self, program: Foreground, reason: str = "") -> None:
        self.ended = True
        program.end()
        if reason:
            program.say(reason)

    def _let_go_on(self, program: Foreground) -> None:
        """Let go on what was paused; after the end, too, where nothing can be ended in a VM that is suspended."""
        if self.ended and not self._engine.capabilities.pauses_vm:
            return
        try:
            self._engine.resume(self._vm, program.process)
        except AgsekitError as error:
            program.say(sentence_and_hint(error)[0])
