"""The `tocsin` command: its name, its commands, and what its ends mean.

Exit codes: 0 done; 1 the engine or the network said no; 2 something must be changed first (an option, the
configuration, the store); 70 a running engine failed and gave up (restart it). An error is one line on standard error.
Known errors become such a line here, in one place; a traceback means a bug of ours.
"""

from __future__ import annotations

from typing import IO, Any

import click

from tocsin.commands import (
    alerts,
    analytics,
    audit,
    broadcast,
    clients,
    connections,
    directory,
    doctor,
    endpoints,
    incidents,
    insights,
    jobs,
    keys,
    maintenance,
    nodes,
    notifications,
    patterns,
    predictions,
    report,
    revoke,
    rules,
    schedules,
    serve,
    setup,
    silences,
    store,
    trials,
    workflows,
)


class Complaint(click.ClickException):
    """One line on standard error: the engine or the network said no."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Says it."""
        line = " ".join(self.format_message().split())
        click.echo(f"tocsin: {line}", file=file, err=file is None)


class Refused(Complaint):
    """Something must be changed first."""

    exit_code = 2


class GaveUp(Complaint):
    """A running engine failed; sysexits.h calls it EX_SOFTWARE."""

    exit_code = 70


class Commands(click.Group):
    """A group of commands whose known errors end in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as fault:
            # Boundary: what is known becomes a sentence; everything else goes on as the traceback of a bug.
            known = _translated(fault)
            if known is None:
                raise
            raise known from fault

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(self.commands)


def _translated(fault: Exception) -> Exception | None:
    from actors.supervisor import TooManyRestarts, root_cause
    from engine.configuration.fields import ConfigError
    from protocol.errors import CloseCode, StoreRefused, TocsinError
    from tocsin.errors import ClientStopped

    advice = {
        CloseCode.INVALID_TOKEN: "get another token (tocsin token), of the engine that you connect to",
        CloseCode.FORCED: "ask the operator (tocsin audit says who), then start this again",
    }
    match cause := root_cause(fault):
        case ConfigError() | StoreRefused():
            return Refused(str(cause))
        case ClientStopped(close_code=code) if code in advice:
            return Complaint(f"{cause.message}; {advice[CloseCode(code)]}")
        case TocsinError():
            return Complaint(cause.message)
        case TooManyRestarts():
            last = root_cause(cause.__cause__) if cause.__cause__ else None
            return GaveUp(f"gave up: {cause}" + (f": {last!r}" if last else ""))
        case BrokenPipeError():
            # Who read our output is gone (`tocsin tail | head`): click ends quietly, if it sees it without its group.
            return cause
        case _:
            return None


def _version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not ctx.resilient_parsing:
        from engine.telemetry.metrics import Metrics

        click.echo(f"tocsin {Metrics().version}")
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The engine's data lie in ./data, or where --data or TOCSIN_DATA says. Every setting can be given as a "
    "variable TOCSIN_… or in tocsin.toml in that folder; `tocsin config` shows them with their reasons.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Says which one.")
def cli() -> None:
    """Tocsin, a real-time alert engine: a trigger goes in, everybody who listens has it within milliseconds.

    \b
    tocsin serve                                   starts the engine
    tocsin tail                                    shows alerts live, in another terminal
    tocsin trigger demo --title "Hello"            makes one ring
    """


for trial in (trials.try_rule, trials.backtest):
    rules.rules.add_command(trial)
for command in (
    serve.serve,
    clients.trigger,
    clients.tail,
    alerts.alerts,
    silences.silences,
    maintenance.maintenance,
    workflows.workflows,
    jobs.jobs,
    jobs.queues,
    schedules.schedules,
    setup.token,
    keys.keys,
    revoke.revoke,
    connections.connections,
    nodes.nodes,
    broadcast.broadcast,
    rules.rules,
    directory.frameworks,
    directory.users,
    directory.teams,
    directory.workspaces,
    endpoints.endpoints,
    notifications.preferences,
    notifications.escalations,
    notifications.notifications,
    incidents.incidents,
    predictions.predictions,
    patterns.patterns,
    insights.insights,
    report.report,
    insights.recommendations,
    analytics.analytics,
    audit.audit,
    setup.config,
    store.migrate,
    store.copy,
    doctor.doctor,
    setup.bench,
):
    cli.add_command(command)


def main() -> None:
    """The entry point of `tocsin` and `python -m tocsin`."""
    cli(prog_name="tocsin")
