"""What there is to say about an alert's change, a digest or a test, whatever form it is then written in.

A notice is made once and written by `as_text`, `as_html` and `as_slack`, so that all forms say the same. Texts that
producers and people wrote are tidied here (one line where a line is meant, nothing unprintable that could turn a line
round or end a header) and bounded; escaping is the affair of each form. Who sends it may have templates of its own for
the title and the body (`engine.core.rules.templates`, the language of rules).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine.core.rules.templates import Template
from protocol.model import Alert, AlertState, Severity
from protocol.notify import DIGEST_LISTED_MAX, Change, Outgoing, Why
from protocol.wording import several

# What templates of notifications may name besides `labels.NAME`.
WORDS = (
    *("title", "message", "change", "severity", "state", "framework", "rule", "alert", "value", "threshold"),
    *("occurrences", "by", "at", "url", "annotations.NAME"),
)
# A phone shows 40, a list of mails 80; longer ones are cut by programs at places of their own.
SUBJECT_MAX_CHARS = 200
BODY_MAX_CHARS = 8_192
# Of facts that producers choose: an alert may have 64 labels of a kilobyte, which nobody reads at night.
LABELS_SHOWN_MAX = 20
FACT_MAX_CHARS = 300

_SAYS: Mapping[Change, str] = {
    Change.FIRED: "",
    Change.REPEATED: "Again",
    Change.RAISED: "Worse",
    Change.ACKNOWLEDGED: "Acknowledged",
    Change.UNACKNOWLEDGED: "No longer acknowledged",
    Change.ASSIGNED: "Assigned",
    Change.REOPENED: "Open again",
    Change.RESOLVED: "Resolved",
    Change.EXPIRED: "Expired",
    Change.ESCALATED: "Escalated",
    Change.REMINDER: "Still open",
    Change.DIGEST: "",
    Change.TEST: "Test",
}
# What a digest is called by why it was put aside, and what is said of its alerts. Several reasons: as without any.
_DIGESTS: Mapping[Why | None, tuple[str, str]] = {
    Why.DIGEST: ("Digest", "since the last digest"),
    Why.QUIET_HOURS: ("After quiet hours", "came in your quiet hours"),
    Why.STORM: ("Storm", "came in a storm"),
    Why.GROUPED: ("More alerts", "joined incidents that you were told of"),
}
_ANY_DIGEST = ("Digest", "put aside until now")


class Fact(NamedTuple):
    """One line of details. `url`: where it leads, if it is a link."""

    name: str
    value: str
    url: str = ""


class Entry(NamedTuple):
    """One alert of a digest."""

    severity: Severity
    state: AlertState
    title: str
    framework: str
    at: str
    url: str


class Links(NamedTuple):
    """Where the notice leads; empty: nowhere. `site`: of the page that shows alerts. `acknowledge`: a signed link.

    `has_buttons`: whether somebody listens when a button is pressed in Slack.
    """

    site: str = ""
    acknowledge: str = ""
    has_buttons: bool = False

    def alert(self, alert_id: str) -> str:
        """The page of an alert."""
        return f"{self.site.rstrip('/')}/alerts/{alert_id}" if self.site else ""


class Style(NamedTuple):
    """Templates of who sends it, instead of our own title and body."""

    title: Template | None = None
    body: Template | None = None


class Notice(NamedTuple):
    """What is said. `alert`: the one that it is about; None: a digest."""

    subject: str
    lead: str
    body: str
    facts: tuple[Fact, ...]
    entries: tuple[Entry, ...]
    more: int
    severity: Severity
    change: Change
    alert: Alert | None
    links: Links
    foot: str


def notice_of(message: Outgoing, links: Links | None = None, style: Style | None = None) -> Notice:
    """What a message says."""
    links, style = links or Links(), style or Style()
    if message.change is Change.TEST:
        # There is no such alert, and so no page of it.
        links = links._replace(site="")
    alert = message.alerts[0] if len(message.alerts) == 1 and message.change is not Change.DIGEST else None
    subject, lead = _said(message, alert) if alert is not None else _counted(message)
    body = text_of(alert.message or "", BODY_MAX_CHARS) if alert is not None else ""
    if alert is not None:
        if style.title is not None:
            title = _filled(style.title, message, alert, links, SUBJECT_MAX_CHARS)
            subject = line_of(title, SUBJECT_MAX_CHARS) or subject
        if style.body is not None:
            body = text_of(_filled(style.body, message, alert, links, BODY_MAX_CHARS), BODY_MAX_CHARS)
    return Notice(
        subject=subject,
        lead=lead,
        body=body,
        facts=tuple(_facts(message, alert)) if alert is not None else (),
        entries=tuple(_entries(message, links)) if alert is None else (),
        more=message.more + max(len(message.alerts) - DIGEST_LISTED_MAX, 0),
        severity=max((each.severity for each in message.alerts), key=lambda one: one.rank, default=Severity.INFO),
        change=message.change,
        alert=alert,
        links=links,
        foot=_foot(message, links),
    )


def line_of(text: str, most_chars: int) -> str:
    """One line, without what cannot be printed: no line end, and nothing that turns the direction of what follows."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most_chars else f"{line[: most_chars - 1]}…"


def text_of(text: str, most_chars: int) -> str:
    """Lines, each without what cannot be printed."""
    lines = text.replace("\r\n", "\n")
    plain = "".join(char if char.isprintable() or char in "\n\t" else " " for char in lines).strip()
    return plain if len(plain) <= most_chars else f"{plain[: most_chars - 1]}…"


def moment(at: str, zone: str = "UTC") -> str:
    """`2026-01-31T12:00:00.123456Z` as people read it there: the second is fine enough. The zone must be known."""
    there = datetime.fromisoformat(f"{at[:19]}+00:00").astimezone(ZoneInfo(zone))
    # Zones that have no letters of their own are called +04.
    name = f"{there:%Z}"
    return f"{there:%Y-%m-%d %H:%M:%S} {name if name.isalpha() else f'UTC{name}'}"


def _said(message: Outgoing, alert: Alert) -> tuple[str, str]:
    says = _SAYS[message.change]
    title = line_of(alert.title, SUBJECT_MAX_CHARS) or alert.id
    subject = f"[{alert.severity.value.upper()}] {f'{says}: ' if says else ''}{title}"
    lead = f"{says or 'New'}: {alert.severity.value} alert in {line_of(alert.framework_id, FACT_MAX_CHARS)}"
    by = f", by {line_of(message.by, FACT_MAX_CHARS)}" if message.by else ""
    besides = f" {text_of(message.text, BODY_MAX_CHARS)}" if message.text else ""
    return line_of(subject, SUBJECT_MAX_CHARS), f"{lead}{by}.{besides}"


def _counted(message: Outgoing) -> tuple[str, str]:
    if not message.alerts and not message.more:
        words = text_of(message.text, BODY_MAX_CHARS) or "This is a test: nothing has happened."
        return "Test notification" if message.change is Change.TEST else "Nothing to report", words
    counts = Counter(alert.severity for alert in message.alerts)
    loudest = sorted(counts, key=lambda severity: -severity.rank)
    parts = ", ".join(f"{counts[severity]} {severity.value}" for severity in loudest)
    count = len(message.alerts) + message.more
    more = f", {message.more} more" if message.more else ""
    alerts = several(count, "alert")
    name, since = message.change.value.capitalize(), f"{message.change.value} together"
    if message.change is Change.DIGEST:
        name, since = _DIGESTS.get(message.why, _ANY_DIGEST)
    subject = f"{name} ({line_of(message.workspace, FACT_MAX_CHARS)}): {alerts}: {parts}{more}"
    lead = text_of(message.text, BODY_MAX_CHARS) or f"{alerts} {since} ({parts}{more})."
    return line_of(subject, SUBJECT_MAX_CHARS), lead


def _facts(message: Outgoing, alert: Alert) -> Iterator[Fact]:
    given = {
        "Severity": alert.severity.value,
        "State": alert.state.value,
        "Framework": alert.framework_id,
        "Value": _measured(alert),
        "Since": moment(alert.triggered_at, message.zone),
        "Occurrences": str(alert.occurrences) if alert.occurrences > 1 else "",
        "Rule": alert.rule_id or "",
        "Assigned to": alert.assigned_to or "",
        "Acknowledged by": alert.acknowledged_by or "",
        "Resolved by": alert.resolved_by or "",
        "Notes": alert.notes or "",
    }
    for name, value in given.items():
        if value:
            yield Fact(name, line_of(value, FACT_MAX_CHARS))
    yield from _chosen(alert.annotations)
    yield from _chosen(alert.labels)


def _chosen(pairs: Mapping[str, str]) -> Iterator[Fact]:
    """Labels or annotations, the first so many; a web address among them is a link."""
    for name, value in list(pairs.items())[:LABELS_SHOWN_MAX]:
        shown = line_of(value, FACT_MAX_CHARS)
        is_link = shown == value and value.startswith(("https://", "http://")) and " " not in value
        yield Fact(line_of(name, FACT_MAX_CHARS), shown, value if is_link else "")
    if len(pairs) > LABELS_SHOWN_MAX:
        yield Fact("More", f"{len(pairs) - LABELS_SHOWN_MAX} not shown")


def _measured(alert: Alert) -> str:
    if alert.current_value is None:
        return ""
    beyond = "" if alert.threshold_value is None else f" (threshold {alert.threshold_value:.10g})"
    return f"{alert.current_value:.10g}{beyond}"


def _entries(message: Outgoing, links: Links) -> Iterator[Entry]:
    for alert in message.alerts[:DIGEST_LISTED_MAX]:
        yield Entry(
            alert.severity,
            alert.state,
            line_of(alert.title, SUBJECT_MAX_CHARS) or alert.id,
            line_of(alert.framework_id, FACT_MAX_CHARS),
            moment(alert.triggered_at, message.zone),
            links.alert(alert.id),
        )


def _filled(template: Template, message: Outgoing, alert: Alert, links: Links, most_chars: int) -> str:
    words, labels = _words(message, alert, links), alert.labels
    if message.change is Change.TEST:
        # A test has no value, no page and none of the labels; with their names in it the template can be judged.
        words = {word: words.get(word) or word for word in template.words}
        labels = {name: labels.get(name, name) for name in (word.removeprefix("labels.") for word in template.words)}
    return template.render(words, labels, most_chars)


def _words(message: Outgoing, alert: Alert, links: Links) -> dict[str, str]:
    return {
        "title": alert.title,
        "message": alert.message or "",
        "change": message.change.value,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "framework": alert.framework_id,
        "rule": alert.rule_id or "",
        "alert": alert.id,
        "value": "" if alert.current_value is None else f"{alert.current_value:.10g}",
        "threshold": "" if alert.threshold_value is None else f"{alert.threshold_value:.10g}",
        "occurrences": str(alert.occurrences),
        "by": message.by or "",
        "at": moment(alert.triggered_at, message.zone),
        "url": links.alert(alert.id),
        **{f"annotations.{name}": text for name, text in alert.annotations.items()},
    }


def _foot(message: Outgoing, links: Links) -> str:
    if message.recipient.user is None:
        return f"Sent by Tocsin for the workspace {line_of(message.workspace, FACT_MAX_CHARS)}."
    return (
        f"You get this as {line_of(message.recipient.user, FACT_MAX_CHARS)} in the workspace "
        f"{line_of(message.workspace, FACT_MAX_CHARS)}. What you are told of, when and how, is yours to choose: "
        "tocsin preferences put, or /api/v1/preferences (POST makes yours, PATCH with If-Match: * changes it)."
    )
