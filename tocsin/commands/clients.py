"""Commands that talk to a running engine: `trigger` and `tail`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from protocol.wording import several
from tocsin.commands import options
from tocsin.commands.options import Access

if TYPE_CHECKING:
    import trio

    from protocol.client_session import ClientState
    from protocol.hints import Broadcast
    from protocol.items import ItemResult
    from protocol.messages import AlertMessage, GapMessage
    from protocol.model import Severity
    from tocsin.errors import Lost

SEVERITIES = ("info", "warning", "error", "critical")


def labels_of(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """A callback: `host=web-1`, several times. Raises BadParameter."""
    from protocol.fields import LABEL_MAX_CHARS, LABELS_MAX

    labels = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise click.BadParameter(f"{text!r} is no label: write name=value")
        if max(len(name), len(value)) > LABEL_MAX_CHARS:
            raise click.BadParameter(f"{text!r:.80} is not allowed: use at most {LABEL_MAX_CHARS} characters each")
        labels[name] = value
    if len(labels) > LABELS_MAX:
        raise click.BadParameter(f"{len(labels)} labels are not allowed: use at most {LABELS_MAX}")
    return labels


def _id(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    from protocol.errors import BadRequest
    from protocol.names import check_id

    try:
        return None if given is None else check_id(given, "the name")
    except BadRequest as fault:
        raise click.BadParameter(fault.message) from None


def _fits(member: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that holds an option against what a trigger may carry as this member."""

    def held(_: click.Context, __: click.Parameter, given: Any) -> Any:
        if given is None:
            return None
        import msgspec

        from engine.configuration.fields import allowed
        from protocol.items import TriggerInput

        kind = get_type_hints(TriggerInput, include_extras=True)[member]
        try:
            return msgspec.convert(given, kind)
        except msgspec.ValidationError:
            use = allowed(msgspec.inspect.type_info(kind))
            raise click.BadParameter(f"{given!r:.80} is not allowed: use {use}") from None

    return held


def _severity(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    from engine.input.severity import SEVERITIES

    word: str | None = _fits("severity")(context, parameter, given)
    if word is not None and word.strip().lower() not in SEVERITIES:
        click.echo(f"tocsin: severity {word!r:.80} is not known and counts as warning", err=True)
    return word


@click.command(short_help="Makes an alert ring.")
@click.argument("framework", callback=_id)
@click.option("--title", callback=_fits("title"), help="What people read.")
@click.option("--message", callback=_fits("message"), help="More of it.")
@click.option(
    "--severity",
    callback=_severity,
    help="info, warning, error or critical, or other systems' words for them; any other word counts as warning. "
    "[warning]",
)
@click.option("--value", type=float, callback=_fits("current_value"), help="The measured value.")
@click.option(
    "--threshold",
    type=float,
    callback=_fits("threshold_value"),
    help="The limit; with --value: rings only if the value is at least this.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", callback=labels_of, help="Repeat for more.")
@click.option("--type", "alert_type", callback=_fits("alert_type"), help="The kind of alert, a word of yours.")
@click.option("--rule", "rule_id", callback=_id, help="The id of the rule that it belongs to.")
@click.option(
    "--dedup-key",
    callback=_fits("dedup_key"),
    help="What makes two triggers the same alert. [its rule or title, and its labels without severity]",
)
@click.option("--json", "as_json", is_flag=True, help="Prints the result as JSON.")
@click.option(
    "--async", "is_async", is_flag=True, help="Later, over HTTP (--api), as a job whose number is printed (jobs show)."
)
@options.api
@options.client
def trigger(
    framework: str,
    value: float | None,
    threshold: float | None,
    as_json: bool,
    is_async: bool,
    api: str | None,
    **given: Any,
) -> None:
    """Makes an alert of FRAMEWORK ring, and prints what became of it once it is on stable storage.

    Exits with 1 if it was rejected.
    """
    if is_async:
        measured = {"current_value": value, "threshold_value": threshold}
        _hand_over({**given, **measured, "framework_id": framework}, api, as_json)
        return
    import msgspec
    import trio

    from protocol.model import Status
    from tocsin.terminal import result_line

    access, ca = _access(given, role="producer"), given.pop("ca")
    ask = partial(_trigger, access, ca, framework, current_value=value, threshold_value=threshold, **given)
    result = trio.run(ask)
    options.write(msgspec.json.encode(result).decode() if as_json else result_line(result))
    if result.status is Status.REJECTED:
        sys.exit(1)


@click.command(short_help="Shows alerts live.")
@click.argument("channel", metavar="[FRAMEWORK]", default="workspace", callback=options.filled)
@click.option("--severity", type=click.Choice(SEVERITIES), default="info", help="Only this and louder ones.")
@click.option("--snapshot", is_flag=True, help="The alerts that are open now come first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, as on the wire.")
@options.client
def tail(channel: str, severity: str, snapshot: bool, as_json: bool, **given: Any) -> None:
    """Shows what happens to the alerts of FRAMEWORK, or of the whole workspace, until Ctrl-C.

    Comes back by itself when the engine was away, and says so on standard error; what happened meanwhile is shown then.
    """
    import trio

    from protocol.codec import WireForm, encode
    from protocol.model import Severity
    from tocsin.terminal import Look, alert_line

    look = Look.of(sys.stdout, os.environ)

    def show(message: AlertMessage) -> None:
        # A terminal that is stopped (Ctrl-S) stops us too; the engine then cuts us, and we recover.
        options.write(encode(message, WireForm.JSON).decode() if as_json else alert_line(message, look))

    follow = partial(_tail, channel=channel, severity=Severity(severity), snapshot=snapshot, show=show)
    trio.run(follow, _access(given, role="viewer"), given.pop("ca"))


def _access(given: dict[str, Any], role: str) -> Access:
    """Takes the client options out of what was given."""
    names = ("url", "token", "workspace", "data", "config_file")
    url, token, workspace, data, config_file = (given.pop(name) for name in names)
    return options.access(url, token, workspace, data, config_file, role)


def _hand_over(given: dict[str, Any], api: str | None, as_json: bool) -> None:
    """What is not asked here is asked when it rings: the job has the answer."""
    from tocsin.commands.api import api_of

    names = ("token", "workspace", "data", "config_file", "ca")
    way = api_of(api=api, **{name: given.pop(name) for name in names})
    alert = {name: value for name, value in given.items() if name != "url" and value not in (None, {}, ())}
    handed = way.ask("POST", "/api/v1/triggers?async=true", {"alert": alert})
    options.write(json.dumps(handed) if as_json else f"job {handed['job_id']}")


async def _trigger(access: Access, ca: str | None, framework: str, **fields: Any) -> ItemResult:
    async with _client(access, ca) as client:
        result: ItemResult = await client.trigger(framework, **fields)
        return result


async def _tail(
    access: Access,
    ca: str | None,
    channel: str,
    severity: Severity,
    snapshot: bool,
    show: Callable[[AlertMessage], None],
) -> None:
    import trio

    news = _News(access.url, channel)
    async with trio.open_nursery() as nursery:
        await nursery.start(_end_on_signal, nursery.cancel_scope)
        async with _client(
            access, ca, on_state=news.state, on_lost=news.lost, on_gap=news.gap, on_broadcast=news.word
        ) as client:
            await client.subscribe(channel, severity, snapshot)
            news.following()
            async for message in client.alerts():
                show(message)


def _client(access: Access, ca: str | None, **callbacks: Any) -> Any:
    """A client that tries once: a person wants to know at once that there is no engine."""
    from engine.configuration.fields import ConfigError
    from tocsin.client import Client, ClientLimits

    context = options.trusting(ca)
    try:
        return Client(access.url, access.token, limits=ClientLimits(connect_s=0.0), ssl_context=context, **callbacks)
    except ValueError as fault:
        raise ConfigError("url", str(fault).removeprefix("url ")) from fault


class _News:
    """What `tail` says about itself, on standard error."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._is_away = False
        self._is_following = False

    def following(self) -> None:
        self._is_following = True
        self._say(f"following {self._channel} at {self._url}; Ctrl-C ends")

    def state(self, state: ClientState, why: str) -> None:
        from protocol.client_session import ClientState

        if state is ClientState.CONNECTING and self._is_following and not self._is_away:
            self._is_away = True
            self._say(f"connection lost ({why}); trying again")
        elif state is ClientState.READY and self._is_away:
            self._is_away = False
            self._say("connected again")

    def lost(self, lost: Lost) -> None:
        self._say(f"some of what happened on {lost.channel} cannot be shown: {lost.reason}")

    def gap(self, gap: GapMessage) -> None:
        alerts = several(gap.count, "alert")
        self._say(f"the engine left out {alerts} of {gap.channel}, because this terminal is too slow")

    def word(self, word: Broadcast) -> None:
        self._say(f"{word.by} says: {word.message}")

    def _say(self, text: str) -> None:
        click.echo(f"tocsin: {text}", err=True)


async def _end_on_signal(scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    import trio

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        await anext(signals)
        scope.cancel()
