"""The bytes on the wire are a promise: this fails when they change.

`tests/golden/wire.json` and `wire.msgpack.hex` hold one line per example, `name<TAB>bytes`. If a change is deliberate
(a new field, a new message), write them anew and read the difference before committing it:

    TOCSIN_RENEW_GOLDEN=1 python -m pytest tests/unit/test_protocol_golden.py && git diff tests/golden

A line that vanishes or changes breaks clients that are out there; a line that appears does not.
"""

import os
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from protocol import messages as m
from protocol.codec import WireForm, decode_client, decode_server, encode
from protocol.fields import OFFSET_MAX
from protocol.hints import (
    AlertHint,
    AlertsRefresh,
    Broadcast,
    BroadcastTo,
    IncidentNews,
    IncidentUpdated,
    NewAlert,
    Notification,
    PatternFound,
    RefreshHint,
    WorkflowProgress,
    WorkflowUpdated,
)
from protocol.incidents import Happening, IncidentState
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import (
    Alert,
    AlertState,
    Change,
    Comparison,
    Escalated,
    EventKind,
    Reason,
    Severity,
    Status,
    Suppressed,
)
from protocol.patterns import Pattern, PatternKind, Source, Times

FOLDER = Path(__file__).parents[1] / "golden"
FILES = {WireForm.JSON: FOLDER / "wire.json", WireForm.MSGPACK: FOLDER / "wire.msgpack.hex"}
FORMS = pytest.mark.parametrize("form", WireForm, ids=lambda form: form.name.lower())
AT = "2026-01-31T12:00:00.000000Z"
SOME_PATTERN = Pattern(
    id="5d1c7a90be4f20318f6e",
    kind=PatternKind.RECURRING,
    framework="checkout",
    sources=(Source("checkout", "backup", "Backup is late"),),
    summary="Backup is late (checkout) comes back every Monday at 03:00-03:20 UTC: on 8 of 8 Mondays.",
    confidence=0.747,
    support=8,
    occasions=8,
    lift=6.2,
    evidence=("01946c2e-7d00-7000-8000-000000000001",),
    first_at=AT,
    last_at=AT,
    found_at=AT,
    since=AT,
    times=Times(180, 200, 0),
)
SOME_ALERT = Alert(
    id="01946c2e-7d00-7000-8000-000000000001",
    framework_id="checkout",
    severity=Severity.CRITICAL,
    state=AlertState.ACTIVE,
    current_value=97.5,
    threshold_value=None,
    title="CPU is hot",
    occurrences=2,
    triggered_at=AT,
    last_seen_at=AT,
    notification_sent=False,
)
FULL_ALERT = Alert(
    id="01946c2e-7d00-7000-8000-000000000002",
    framework_id="Überwachung",
    severity=Severity.WARNING,
    state=AlertState.RESOLVED,
    current_value=-0.5,
    threshold_value=90.0,
    title="",
    occurrences=1,
    triggered_at=AT,
    last_seen_at=AT,
    notification_sent=True,
    rule_id="cpu",
    alert_rule_id="cpu",
    alert_type="threshold",
    message="über 90 %",
    labels={"host": "h1"},
    dedup_key="k",
    project_id="42",
    assigned_to="ann",
    acknowledged_at=AT,
    acknowledged_by="ann",
    resolved_at=AT,
    resolved_by="bob",
    notes="done",
)
FULL_TRIGGER = TriggerInput(
    framework_id="checkout",
    rule_id="cpu",
    alert_type="threshold",
    current_value=97.5,
    threshold_value=90.0,
    comparison=Comparison.ABOVE,
    severity="page",
    title="CPU is hot",
    message="über 90 %",
    labels={"host": "h1"},
    dedup_key="k",
    project_id="42",
    assigned_to="ann",
)
FROM_CLIENT: dict[str, m.ClientMessage] = {
    "auth": m.Auth(token="t.o.k"),
    "auth with an id": m.Auth(token="t.o.k", id=1),
    "auth with a ticket": m.Auth(ticket="once"),
    "refresh": m.Refresh(token="t.o.k", id="r-1"),
    "subscribe to a framework": m.Subscribe(framework_id="checkout"),
    "subscribe and recover": m.Subscribe(
        id=2, channel="workspace", recover=m.Position("e1", 7), min_severity=Severity.ERROR
    ),
    "unsubscribe": m.Unsubscribe(channel="alerts:checkout", id=3),
    "trigger": m.Trigger(alert=TriggerInput(framework_id="checkout")),
    "trigger many": m.Trigger(id=4, alerts=[FULL_TRIGGER, TriggerInput(framework_id="b")]),
    "reading": m.Reading(
        id=5,
        readings=[
            ReadingInput(framework_id="host", metric="cpu", value=0.5),
            ReadingInput(framework_id="host", metric="cpu", value=1e300, at=AT, labels={"core": "1"}),
        ],
    ),
    "acknowledge": m.Acknowledge(alert_id="a"),
    "acknowledge many": m.Acknowledge(id=6, alert_ids=["a", "b"], notes="looking"),
    "resolve": m.Resolve(alert_id="a", notes="done", id=7),
    "resolve as noise": m.Resolve(alert_id="a", noise=True),
    "acknowledge as no noise": m.Acknowledge(alert_id="a", noise=False),
    "subscribe with a snapshot": m.Subscribe(id=8, channel="user", snapshot=True),
    "received": m.Received(channel="alerts:checkout", offset=8),
    "seen": m.Seen(id=9, channel="user:acme:ann", offset=OFFSET_MAX),
    "read": m.Read(id=10, keys=["msg_1", "msg_2"]),
    "read everything": m.Read(),
    "ping": m.Ping(),
    "ping with the largest id": m.Ping(id=OFFSET_MAX),
}
FROM_SERVER: dict[str, m.ServerMessage] = {
    "auth_success": m.AuthSuccess(client_id="c-1", workspace_id="acme", user_id="ann", expires_at=AT, ping=30.0, id=1),
    "auth_failed": m.AuthFailed(code=101, message="invalid token"),
    "subscribed": m.Subscribed(
        channel="alerts:acme:checkout", epoch="e1", offset=7, recovered=False, reason="fresh", id=2
    ),
    "snapshot": m.Snapshot(
        channel="alerts:acme:checkout", epoch="e1", offset=8, alerts=[SOME_ALERT, FULL_ALERT], page=0, last=False
    ),
    "snapshot of nothing": m.Snapshot(channel="user:acme:ann", epoch="e1", offset=0, alerts=[], page=0, last=True),
    "unsubscribed": m.Unsubscribed(channel="alerts:acme:checkout", id=3),
    "alert": m.AlertMessage(
        channel="alerts:acme:checkout",
        epoch="e1",
        offset=8,
        prev=7,
        event=EventKind.FIRED,
        data=SOME_ALERT,
        timestamp=AT,
    ),
    "alert with everything": m.AlertMessage(
        channel="alerts:acme:*",
        epoch="e1",
        offset=70_000,
        prev=0,
        event=EventKind.RECEIPT,
        data=FULL_ALERT,
        timestamp=AT,
        suppressed=Suppressed(count=3, first_at=AT, last_at=AT, worst_value=None),
    ),
    "alert of many": m.AlertMessage(
        channel="alerts:acme:checkout",
        epoch="e1",
        offset=9,
        prev=8,
        event=EventKind.RESOLVED,
        timestamp=AT,
        by="ann",
        alert_ids=["a", "b"],
        change=Change(at=AT, state=AlertState.RESOLVED, by="ann", notes="restarted", severity=Severity.ERROR),
    ),
    "alert that was noise": m.AlertMessage(
        channel="alerts:acme:checkout",
        epoch="e1",
        offset=11,
        prev=10,
        event=EventKind.COMMENTED,
        data=replace(SOME_ALERT, noise=True),
        timestamp=AT,
    ),
    "alerts that were noise": m.AlertMessage(
        channel="alerts:acme:checkout",
        epoch="e1",
        offset=12,
        prev=11,
        event=EventKind.RESOLVED,
        timestamp=AT,
        by="ann",
        alert_ids=["a", "b"],
        change=Change(at=AT, state=AlertState.RESOLVED, by="ann", severity=Severity.ERROR, noise=True),
    ),
    "alerts that are nobody's now": m.AlertMessage(
        channel="user:acme:ann",
        epoch="e1",
        offset=3,
        prev=2,
        event=EventKind.ASSIGNED,
        timestamp=AT,
        by="bob",
        alert_ids=["a", "b"],
        change=Change(at=AT, by="bob", assigned_to=None, severity=Severity.INFO),
    ),
    "accepted": m.Accepted(
        id=4,
        results=[
            ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id="a", offset=8),
            ItemResult(status=Status.REJECTED, reason=Reason.BUSY, message="full"),
        ],
    ),
    "marked_read": m.MarkedRead(id=10, read=2, unread=0),
    "alert that was handed on": m.AlertMessage(
        channel="alerts:acme:checkout",
        epoch="e1",
        offset=10,
        prev=9,
        event=EventKind.ESCALATED,
        data=replace(SOME_ALERT, active_since=AT, escalated=Escalated(chain="web", step=2, round=1, at=AT)),
        timestamp=AT,
    ),
    "position": m.PositionMessage(channel="alerts:acme:checkout", epoch="e1", offset=8, at=AT),
    "gap": m.GapMessage(
        channel="alerts:acme:checkout", epoch="e1", prev=8, from_=9, to=70_000, count=312, reason="slow"
    ),
    "broadcast": Broadcast(to=BroadcastTo.FRAMEWORK, target="checkout", message="lunch", by="ann", at=AT),
    "workflow_updated": WorkflowUpdated(
        channel="alerts:acme:42", data=WorkflowProgress(project_id="42", item_id="roof")
    ),
    "alerts_refresh": AlertsRefresh(channel="alerts:acme:42", data=RefreshHint(project_id="42")),
    "new_alert": NewAlert(
        channel="user:acme:ann",
        data=AlertHint(id="a1", title="Cover the roof", message="BUILD / Roof", priority="MEDIUM", project_id="42"),
    ),
    "notification": Notification(
        channel="user:acme:ann", key="msg_1", kind="escalated", alert=SOME_ALERT, text="escalated: cpu", unread=3
    ),
    "pattern_found": PatternFound(channel="alerts:acme:*", data=SOME_PATTERN),
    "incident": IncidentUpdated(
        channel="alerts:acme:*",
        data=IncidentNews(
            id="i1",
            event=Happening.JOINED,
            state=IncidentState.OPEN,
            title="cpu",
            severity=Severity.ERROR,
            alerts=3,
            open_alerts=2,
            alert_id="a1",
        ),
    ),
    "pong": m.Pong(),
    "error": m.ErrorMessage(code=107, message="invalid message", temporary=False, id="r-1"),
    "bye": m.Bye(code=3001, reason="shutdown", reconnect_after_ms=1_500),
}


def lines(form: WireForm) -> dict[str, str]:
    encoded = {name: encode(message, form) for name, message in (FROM_CLIENT | FROM_SERVER).items()}
    return {name: data.decode() if form is WireForm.JSON else data.hex() for name, data in encoded.items()}


def golden(form: WireForm) -> dict[str, str]:
    if "TOCSIN_RENEW_GOLDEN" in os.environ:
        FOLDER.mkdir(exist_ok=True)
        FILES[form].write_text("".join(f"{name}\t{data}\n" for name, data in lines(form).items()))
    return dict(line.split("\t", 1) for line in FILES[form].read_text().splitlines())


def test_there_is_an_example_of_every_message_type():
    assert {type(message) for message in FROM_CLIENT.values()} == set(get_args(m.ClientMessage))
    assert {type(message) for message in FROM_SERVER.values()} == set(get_args(m.ServerMessage))


@FORMS
def test_the_bytes_on_the_wire_have_not_changed(form):
    assert lines(form) == golden(form), f"the wire has changed; if that is meant, see {Path(__file__).name}"


@FORMS
def test_the_bytes_of_the_promise_are_still_understood(form):
    """Also what we would now write in another way: older clients and servers are out there."""
    for name, text in golden(form).items():
        data = text.encode() if form is WireForm.JSON else bytes.fromhex(text)
        if name in FROM_CLIENT:
            assert decode_client(data, form) == FROM_CLIENT[name]
        else:
            assert decode_server(data, form) == FROM_SERVER[name]
