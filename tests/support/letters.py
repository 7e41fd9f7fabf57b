"""One of each: every letter, command, result and hint that nodes send each other, with all its fields, and frames."""

from __future__ import annotations

import msgspec

from engine.bus.frames import Frame
from protocol import forwarding as f
from protocol.changes import Action
from protocol.commands import Act, Command, CompleteStep, Escalate, Observe, Preview, Ring
from protocol.hints import (
    AlertHint,
    AlertsRefresh,
    Hint,
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
from protocol.items import ItemResult
from protocol.model import (
    Alert,
    AlertState,
    Change,
    Comparison,
    Escalated,
    Event,
    EventKind,
    QuietedBy,
    Reason,
    Severity,
    Status,
    Suppressed,
)
from protocol.patterns import Pattern, PatternKind, Said, Source, Times
from protocol.previews import Check, Previewed, TooDear
from protocol.rows import Flaps, Row, SourceReport, SuppressionWindow
from protocol.rule_series import ListSeries, SeriesListed, SeriesSeen, SeriesState

AT, AT_US = "2026-01-31T12:00:00.000000Z", 1_769_860_800_000_000

ALERT = Alert(
    id="01946c2e-7d00-7000-8000-000000000001",
    framework_id="Überwachung",
    severity=Severity.CRITICAL,
    state=AlertState.RESOLVED,
    current_value=97.5,
    threshold_value=90.0,
    title="CPU is hot",
    occurrences=2,
    triggered_at=AT,
    last_seen_at=AT,
    notification_sent=True,
    rule_id="cpu",
    alert_rule_id="cpu",
    alert_type="threshold",
    message="über 90 %",
    labels={"host": "h1"},
    annotations={"runbook": "r"},
    dedup_key="k",
    project_id="42",
    assigned_to="ann",
    acknowledged_at=AT,
    acknowledged_by="ann",
    resolved_at=AT,
    resolved_by="bob",
    notes="done",
    notes_by="bob",
    noise=True,
    quieted_ref="s1",
    step_id="roof",
    active_since=AT,
    quieted_by=QuietedBy.STORM,
    incident_id="i1",
    quieted_until=AT,
    escalated=Escalated(chain="web", step=2, round=1, at=AT),
)
REPORT = SourceReport(
    labels={"a": "b"}, annotations={"c": "d"}, starts_at=AT_US, ends_at=AT_US + 1, generator_url="u", explicit_end=True
)
ROW = Row(
    alert=ALERT,
    identity="host=h1",
    window=SuppressionWindow(until=AT_US, count=3, first_at=1, last_at=2, worst=99.5),
    sources=(REPORT,),
    flaps=Flaps(changes=5, at=AT_US, is_bad=True, calm_at=7, until=8),
)
RING = Ring(
    rule_id="cpu",
    alert_type="threshold",
    current_value=97.5,
    threshold_value=90.0,
    comparison=Comparison.ABOVE,
    severity=Severity.ERROR,
    title="CPU is hot",
    message="über 90 %",
    labels={"host": "h1"},
    annotations={"runbook": "r"},
    dedup_key="k",
    project_id="42",
    step_id="roof",
    assigned_to="ann",
    suppression_s=60.0,
    source=REPORT,
)
OBSERVE = Observe(metric="cpu", value=-0.5, at=AT_US, labels={"core": "1"})
COMMANDS: dict[str, Command] = {
    "Ring": RING,
    "Observe": OBSERVE,
    "Preview": Preview(commands=(RING, OBSERVE)),
    "ListSeries": ListSeries(rule="cpu", after=50, limit=10, states=(SeriesState.FIRING,)),
    "Act": Act(
        alert_ids=("a", "b"),
        identity="host=h1",
        action=Action.ASSIGN,
        by="bob",
        notes="yours",
        assignee="ann",
        noise=True,
        address="192.0.2.1",
        closed=(ROW,),
    ),
    "CompleteStep": CompleteStep(step_id="roof", by="ann", notes="dry", address="192.0.2.1"),
    "Escalate": Escalate(alert_id="a", chain="web", since=AT_US, step=2, round=1),
}
FIRED = ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id="a", offset=8, message="m")
# What is answered to commands.
ANSWERS: dict[str, ItemResult] = {
    "ItemResult": FIRED,
    "Previewed": Previewed(
        status=Status.FIRED,
        reason=Reason.FIRED,
        alert_id="a",
        offset=8,
        message="m",
        rule_id="cpu",
        checks=(Check(reason=Reason.SILENCED, holds=False, text="no silence"),),
        rules=(Previewed(status=Status.PENDING, reason=Reason.PENDING, rule_id="mem"),),
        more_rules=3,
    ),
    "TooDear": TooDear(status=Status.REJECTED, reason=Reason.BUSY, alert_id="a", offset=8, message="too dear"),
    "SeriesListed": SeriesListed(
        status=Status.FIRED,
        reason=Reason.FIRED,
        alert_id="a",
        offset=8,
        message="m",
        items=(
            SeriesSeen(
                framework_id="host",
                labels={"core": "1"},
                state=SeriesState.PENDING,
                value=97.5,
                limit=90.0,
                last_at=AT,
                since=AT,
                until=AT,
                alert_id="a",
                no_data_alert_id="b",
                reached=("half",),
            ),
        ),
        next_after=60,
    ),
}
EVENT = Event(
    offset=8,
    kind=EventKind.RESOLVED,
    alert=ALERT,
    at=AT,
    workspace_offset=70_000,
    user_offsets={"ann": 3},
    by="bob",
    suppressed=Suppressed(count=3, first_at=AT, last_at=AT, worst_value=99.5),
    alert_ids=("a", "b"),
    change=Change(at=AT, state=AlertState.RESOLVED, by="bob", notes="restarted", severity=Severity.ERROR),
    also=("carl",),
)
HINTS: dict[type, Hint] = {
    WorkflowUpdated: WorkflowUpdated(
        channel="alerts:acme:42", data=WorkflowProgress(project_id="42", item_id="roof")
    ),
    AlertsRefresh: AlertsRefresh(channel="alerts:acme:42", data=RefreshHint(project_id="42")),
    IncidentUpdated: IncidentUpdated(
        channel="alerts:acme:*",
        data=IncidentNews(
            id="i1", event=Happening.JOINED, state=IncidentState.OPEN, title="cpu", severity=Severity.ERROR,
            alerts=3, open_alerts=2, alert_id="a1",
        ),
    ),
    NewAlert: NewAlert(
        channel="user:acme:ann",
        data=AlertHint(id="a1", title="Cover the roof", message="BUILD / Roof", priority="MEDIUM", project_id="42"),
    ),
    Notification: Notification(
        channel="user:acme:ann", key="msg_1", kind="fired", alert=ALERT, text="fired: cpu", unread=3, more=2
    ),
    PatternFound: PatternFound(
        channel="alerts:acme:*",
        data=Pattern(
            id="5d1c", kind=PatternKind.SEQUENCE, framework=None, sources=(Source("web", "r", "n"),), summary="s",
            confidence=0.7, support=8, occasions=9, lift=6.2, evidence=("a1",), first_at=AT, last_at=AT, found_at=AT,
            since=AT, times=Times(180, 200, 0), within_s=60, typical_s=30, said=Said("ann", AT, "n"), version=2,
        ),
    ),
}  # fmt: skip
LETTERS: dict[str, f.Letter] = {
    "forward": f.Forward(
        origin="a.1",
        id="01946c2e",
        workspace="acme",
        framework="checkout",
        at=AT_US,
        commands=f.pack([*COMMANDS.values()]),
        places=(1, 1, 2, 1, 2, 1, 1),
        traces=("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None, None, None, None, None, None),
    ),
    "answered": f.Answered(id="01946c2e", results=f.pack([*ANSWERS.values()])),
    "answered by who is not the owner": f.Answered(id="01946c2e", is_owner=False),
    "told": f.Told(origin="a.1", workspace="acme", events=(EVENT,), moved=("web",), trace="00-0af7-b7ad-01"),
    "start": f.Start(origin="a.1", workspace="acme", framework="checkout"),
    "nodes": f.NodesChanged(origin="a.1"),
    "objects": f.ObjectsChanged(origin="a.1", objects=(("rule", "acme", "cpu"),), id="01J"),
    "revocations": f.RevocationsChanged(origin="a.1", id="01J"),
    "confirmed": f.Confirmed(origin="a.1", ids=("01J",)),
    "rung": f.Rung(origin="a.1", queues=("alert", "notification")),
    "hinted": f.Hinted(
        origin="a.1", workspace="acme", framework="42", user="ann", hints=tuple(HINTS.values())
    ),
    "asked": f.Asked(
        origin="a.1", id="7", about="has", body=msgspec.Raw(msgspec.msgpack.encode({"client_id": "c"})), at=AT_US
    ),
    "replied": f.Replied(origin="a.1", id="7", body=msgspec.Raw(msgspec.msgpack.encode(True))),
}  # fmt: skip
FRAMES: dict[str, Frame] = {
    "frame": Frame(node="a.1", seq=8, at=1.5, entries=[b"one", b"two"]),
    "frame of a heartbeat": Frame(node="a.1", seq=10, at=2.5, marks={"acme": 70_000}, deaf_to=["redis"]),
    "frame that is the last one": Frame(node="a.1", seq=10, at=3.5, is_last=True),
}
