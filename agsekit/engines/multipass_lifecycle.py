"""The life of a Multipass machine: launched, started, compared, resized, stopped, deleted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agsekit.config.model import Vm
from agsekit.engines import multipass_answers, multipass_sizes
from agsekit.engines.base import Difference, Instance, OnEvent, State
from agsekit.engines.multipass_answers import MultipassError
from agsekit.engines.multipass_client import CALL_SECONDS, POLL_SECONDS, MultipassClient
from agsekit.errors import EngineError
from agsekit.i18n import _

_BOOT_SECONDS = 600
_LAUNCH_SECONDS = 1800
_APPEAR_SECONDS = 600
_STOP_SECONDS = 360.0  # the daemon gives a guest five minutes
_NO_RESPONSE = "timed out waiting for response"

# The first start is over when cloud-init says so; a launch that lost patience has not waited for that.
_FIRST_START = """
left=$1
[ -d /var/lib/cloud ] || exit 0
until [ -e /var/lib/cloud/instance/boot-finished ]; do
  [ "$left" -gt 0 ] || exit 1
  left=$((left - 1))
  sleep 1
done
"""


class MultipassLifecycle(MultipassClient):
    """What happens to a machine as a whole."""

    def create(self, vm: Vm, user_data: str, *, on_event: OnEvent) -> None:
        """Launch the VM; a launch that lost patience goes on in the daemon, and is waited for."""
        on_event(_("Launching VM {name}; its image may have to be downloaded first").format(name=vm.name))
        sizes = ["--cpus", str(vm.cpu), "-m", multipass_sizes.argument(vm.ram)]
        sizes += ["--disk", multipass_sizes.argument(vm.disk)]
        launching = ["launch", "--name", vm.name, *sizes, "--cloud-init", "-", "--timeout", str(_LAUNCH_SECONDS)]
        try:
            self._watch(
                vm,
                launching,
                stdin=user_data.encode(),
                timeout=_LAUNCH_SECONDS + CALL_SECONDS,
                on_event=on_event,
            )
        except MultipassError as error:
            if not error.timed_out and not _is_half_made(error):
                raise
            if error.says(_NO_RESPONSE):
                self._stop_stuck(vm, on_event)
            else:
                on_event(_("VM {name} takes long; waiting for it").format(name=vm.name))
                self._appear(vm)
            self.start(vm, on_event=on_event)
            self._finish_first_start(vm)

    def _appear(self, vm: Vm) -> None:
        """Wait until a machine that is being made can be seen."""
        deadline = self._now() + _APPEAR_SECONDS
        while self.inspect(vm).state is State.ABSENT:
            if self._now() >= deadline:
                raise EngineError(
                    _("VM {name} has not appeared; Multipass may still be making it").format(name=vm.name),
                    hint=_("Look with `multipass list`, and run `agsekit create-vm {name}` again").format(
                        name=vm.name
                    ),
                )
            self._sleep(POLL_SECONDS)

    def _finish_first_start(self, vm: Vm) -> None:
        waiting = ["sh", "-c", _FIRST_START, "agsekit", str(_BOOT_SECONDS)]
        if self.run_inside(vm, waiting, timeout=_BOOT_SECONDS + CALL_SECONDS).returncode:
            raise EngineError(
                _("VM {name} runs, but its first start (cloud-init) does not come to an end").format(name=vm.name),
                hint=_("See `multipass exec {name} -- cloud-init status --long`").format(name=vm.name),
            )

    def start(self, vm: Vm, *, on_event: OnEvent) -> None:
        """Start the VM; one that has lost its way during the boot is stopped and started once more."""
        try:
            self._running(vm, on_event)
        except MultipassError as error:
            if not error.says(_NO_RESPONSE):
                raise
            self._stop_stuck(vm, on_event)
            self._running(vm, on_event)

    def _stop_stuck(self, vm: Vm, on_event: OnEvent) -> None:
        """Stop a VM that the daemon has given up: it stays Unknown until then."""
        on_event(_("VM {name} does not respond; starting it again").format(name=vm.name))
        self._call(vm, ["stop", vm.name], timeout=_STOP_SECONDS)

    def _running(self, vm: Vm, on_event: OnEvent) -> Instance:
        instance = self.inspect(vm)
        if instance.state is State.RUNNING:
            return instance
        if instance.state in (State.ABSENT, State.DELETED):
            raise multipass_answers.gone(vm.name, instance.state)
        on_event(_("Starting VM {name}").format(name=vm.name))
        if instance.state in (State.STOPPED, State.SUSPENDED):
            self._start(vm)
            instance = self.inspect(vm)
        # A boot goes through Unknown each time that no address is found within a second, and `start` is
        # refused then; all there is to do is to wait.
        instance = self._wait_while(vm, instance, (State.STARTING, State.UNKNOWN))
        if instance.state is not State.RUNNING:
            raise EngineError(
                _("VM {name} did not start; its state is {state}").format(name=vm.name, state=instance.state.value),
                hint=_("Stop it with `agsekit stop-vm {name}` and try again").format(name=vm.name),
            )
        return instance

    def _wait_while(self, vm: Vm, instance: Instance, states: Collection[State]) -> Instance:
        deadline = self._now() + _BOOT_SECONDS
        while instance.state in states and self._now() < deadline:
            self._sleep(POLL_SECONDS)
            instance = self.inspect(vm)
        return instance

    def _start(self, vm: Vm) -> None:
        try:
            self._call(vm, ["start", vm.name, "--timeout", str(_BOOT_SECONDS)], timeout=_BOOT_SECONDS + CALL_SECONDS)
        except MultipassError as error:
            # The daemon goes on when the client has lost patience; and another client may have been first.
            if not error.timed_out and not error.says("in an unknown state"):
                raise

    def pause(self, vm: Vm, process: int) -> None:
        """Suspend the VM: a VM that does not run has nothing to stop."""
        if self.inspect(vm).state is State.RUNNING:
            self._call(vm, ["suspend", vm.name], timeout=_STOP_SECONDS)

    def resume(self, vm: Vm, process: int) -> None:
        """Start the suspended VM, which goes on where it was."""
        if self.inspect(vm).state is State.SUSPENDED:
            self.start(vm, on_event=lambda text: None)

    def stop(self, vm: Vm, *, force: bool, on_event: OnEvent) -> None:
        """Stop the VM; `--force` is there since Multipass 1.14."""
        instance = self.inspect(vm)
        if instance.state in (State.ABSENT, State.DELETED):
            raise multipass_answers.gone(vm.name, instance.state)
        if instance.state is State.STARTING and not force:
            on_event(_("VM {name} is starting; it is stopped afterwards").format(name=vm.name))
            instance = self._wait_while(vm, instance, (State.STARTING,))
        if instance.state is State.STOPPED:
            return
        if instance.state is State.SUSPENDED and not force:
            raise EngineError(
                _("VM {name} is suspended: stopping it would lose what it has in memory").format(name=vm.name),
                hint=_("Start it first, or stop it with --force"),
            )
        on_event(_("Stopping VM {name}").format(name=vm.name))
        try:
            self._call(vm, ["stop", vm.name, *(["--force"] if force else [])], timeout=_STOP_SECONDS)
        except MultipassError as error:
            if not error.says("Use --force"):
                raise
            raise EngineError(
                _("VM {name} cannot be stopped now").format(name=vm.name),
                hint=_("Try again, or cut its power: agsekit stop-vm {name} --force").format(name=vm.name),
                details=error.details,
            ) from None

    def delete(self, vm: Vm) -> None:
        """Delete and purge this one machine: without `--purge` it would keep its name and its disk."""
        try:
            self._call(vm, ["delete", "--purge", vm.name], timeout=_STOP_SECONDS)
        except MultipassError as error:
            if not error.says("does not exist"):
                raise

    def compare(self, vm: Vm) -> Sequence[Difference]:
        """Compare by the settings: `info` of a machine that does not run leaves out its sizes."""
        found = (
            self._difference(vm, key, value) for key, value in (("cpu", vm.cpu), ("ram", vm.ram), ("disk", vm.disk))
        )
        return [difference for difference in found if difference]

    def _difference(self, vm: Vm, key: str, configured: int) -> Difference | None:
        name, _value = multipass_sizes.setting(key, configured)
        done = self._call(vm, ["get", f"local.{vm.name}.{name}"])
        try:
            actual, precision = multipass_sizes.parse(done.text)
        except ValueError:
            raise EngineError(
                _("Multipass gave an answer about VM {name} that agsekit does not understand").format(name=vm.name),
                hint=_("See what `multipass get {key}` prints").format(key=f"local.{vm.name}.{name}"),
                details=done.text,
            ) from None
        return None if abs(actual - configured) <= precision else Difference(key, configured, actual)

    def resize(self, vm: Vm, differences: Sequence[Difference]) -> None:
        """Set the sizes; they take effect at the next start."""
        for each in differences:
            name, value = multipass_sizes.setting(each.key, each.configured)
            self._call(vm, ["set", f"local.{vm.name}.{name}={value}"])


def _is_half_made(error: MultipassError) -> bool:
    """Whether the machine exists, or is about to, although the launch has failed."""
    return any(
        error.says(words)
        for words in (
            _NO_RESPONSE,
            "timed out waiting for initialization",
            "is being prepared",
            "already exists",
        )
    )
