"""The command that logs an agent in."""

import sys
from collections.abc import Callable
from typing import Annotated, Optional

import typer

from agsekit.agents.login import Browser, LoginPlan, log_in, plan_login
from agsekit.agents.run import new_run_id
from agsekit.background import Background, start_background
from agsekit.cli import render
from agsekit.cli.agents import not_installed
from agsekit.cli.context import Context
from agsekit.cli.options import context_of, passed_on
from agsekit.cli.pages import page
from agsekit.cli.selection import teller
from agsekit.config.model import PortForward
from agsekit.engines.base import Engine, GuestCommand, ProgramNotInside
from agsekit.engines.registry import engine_for
from agsekit.errors import AgsekitError, ExitCode, UsageError
from agsekit.i18n import _
from agsekit.network.callback import LOOK, CallbackPorts, Means
from agsekit.network.forwarding import rule_arguments
from agsekit.network.ssh import host_alias, knows_host, tunnel_arguments
from agsekit.network.supervisor import GUEST_USER
from agsekit.process import ProgramMissing, Runner


@page(
    _(
        "The page that the login names is opened in the browser of this machine if it is one of the agent's own; any "
        "other one after ^O. The port that the login waits on is forwarded for as long as it lasts. What follows "
        "`--` goes to the agent in the place of its usual words for logging in."
    ),
    (_("Log Codex in with a code that you type in any browser"), "agsekit agents login codex -- login --device-auth"),
)
def login(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help=_("The name of the agent in the configuration."))],
    vm: Annotated[Optional[str], typer.Option("--vm", metavar="NAME", help=_("Log it in in this VM."))] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help=_("Open no page, only name it."))] = False,
) -> None:
    """Log an agent in, in its VM."""
    context = context_of(ctx)
    runner = context.runner()
    warn: Callable[[str], None] = (
        (lambda text: None) if context.quiet else lambda text: render.warn(render.safe(text))
    )
    try:
        plan = plan_login(
            context.load_config(),
            agent,
            runner,
            vm=vm,
            arguments=passed_on(ctx),
            tty=sys.stdin.isatty() and sys.stdout.isatty(),
            on_warning=warn,
        )
        code = _log_in(context, plan, runner, warn, wanted=not no_browser)
    except UsageError:
        raise
    except (AgsekitError, OSError) as error:
        render.print_failure(error)
        raise typer.Exit(ExitCode.NOT_STARTED) from None
    raise typer.Exit(code)


def _log_in(context: Context, plan: LoginPlan, runner: Runner, warn: Callable[[str], None], *, wanted: bool) -> int:
    say = teller(context)
    engine = engine_for(plan.vm, runner, data_folder=context.data_folder)
    notice = engine.notice(plan.vm)
    if notice:
        say(notice)
    engine.make_ready(plan.vm, (), on_event=say)
    ports = None
    if engine.capabilities.own_system:
        try:
            ports = CallbackPorts(_means(context, plan, engine, runner))
        except AgsekitError as error:
            warn(_("a page cannot come back to the login: {reason}").format(reason=error.message))
    browser = Browser(runner, plan.hosts, wanted)
    try:
        return log_in(plan, engine, browser, ports, on_started=runner.trace)
    except ProgramNotInside as error:
        raise not_installed(plan.agent, plan.vm, error) from None


def _means(context: Context, plan: LoginPlan, engine: Engine, runner: Runner) -> Means:
    """Return what ports of the VM are watched and forwarded with.

    Raises:
        AgsekitError: there is no key or no host key for it, or it has no address.
    """
    vm, alias = plan.vm, host_alias(plan.vm.name)
    address = engine.inspect(vm).address
    if address is None or not knows_host(context.ssh_folder, alias):
        raise AgsekitError(
            _("agsekit cannot reach VM '{vm}' through ssh; `agsekit create-vm {vm}` prepares it").format(vm=vm.name)
        )
    tunnel_arguments(context.ssh_folder, alias, GUEST_USER, address, ())

    def start(argv: list[str]) -> Background:
        runner.trace(argv)
        try:
            return start_background(argv, runner.environment)
        except FileNotFoundError:
            raise ProgramMissing(argv[0]) from None

    def watch() -> Background:
        command = engine.command(vm, (), GuestCommand(["sh", "-c", LOOK], new_run_id()))
        return start(list(command.argv))

    def forward(rule: PortForward, address: str) -> Background:
        return start(tunnel_arguments(context.ssh_folder, alias, GUEST_USER, address, rule_arguments(rule)))

    return Means(vm.name, address, watch, forward)
