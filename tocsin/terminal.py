"""Alerts as lines for people: a shape, a word and a colour per severity, so that none of them is needed alone.

Colours only on a terminal, and not if NO_COLOR (https://no-color.org) is set or TERM is dumb; shapes beyond ASCII only
where the terminal can show them. Texts come from whoever may trigger: what could steer a terminal (control
characters, escape sequences, marks that reverse the direction of writing) is shown as its code instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TextIO

from protocol.items import ItemResult
from protocol.messages import AlertMessage
from protocol.model import OPEN_STATES, Alert, EventKind, Severity
from protocol.wording import several

_SHAPES = {Severity.INFO: "○", Severity.WARNING: "▲", Severity.ERROR: "◆", Severity.CRITICAL: "■"}
_ASCII_SHAPES = {Severity.INFO: "o", Severity.WARNING: "!", Severity.ERROR: "#", Severity.CRITICAL: "X"}
# Bold red on critical; blue, yellow and magenta are told apart by most who cannot tell red from green.
_COLOURS = {Severity.INFO: "34", Severity.WARNING: "33", Severity.ERROR: "35", Severity.CRITICAL: "1;31"}
_OVER = frozenset({EventKind.RESOLVED, EventKind.EXPIRED})
_DIM = "2"
_FRAMEWORK_WIDTH = 12


@dataclass(frozen=True)
class Look:
    """What the output can show."""

    has_colour: bool
    has_shapes: bool

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str]) -> Look:
        """What this stream can show, by its kind, its encoding and the person's wish."""
        wants = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        return cls(has_colour=wants and stream.isatty(), has_shapes=_can_write("○▲◆■✓", stream.encoding))

    def paint(self, text: str, colour: str) -> str:
        """The text in an SGR colour, if there are colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.has_colour else text


def _can_write(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def alert_line(message: AlertMessage, look: Look, zone: tzinfo | None = None) -> str:
    """One event as one line: time (local, or in `zone`), severity, framework, what happened, title, and details."""
    at = datetime.fromisoformat(message.timestamp).astimezone(zone).strftime("%H:%M:%S")
    alert, is_over = message.data, message.event in _OVER
    if alert is None:
        severity, framework = _of_many(message)
        title, found = (
            several(len(message.ids), "alert"),
            _acting(message, message.change.notes if message.change else None),
        )
    else:
        severity, framework = alert.severity, alert.framework_id
        title, found = printable(alert.title or alert.message or "(no title)"), _details(message, alert, zone)
    shapes = _SHAPES if look.has_shapes else _ASCII_SHAPES
    shape = ("✓" if look.has_shapes else "v") if is_over else shapes[severity]
    is_dim = is_over or (alert is not None and alert.quieted_by is not None)
    badge = look.paint(f"{shape} {severity.value:<8}", _DIM if is_dim else _COLOURS[severity])
    details = look.paint(f"  ({', '.join(found)})", _DIM) if found else ""
    return f"{at}  {badge}  {printable(framework).ljust(_FRAMEWORK_WIDTH)}  {message.event.value:<14}  {title}{details}"


def _moment(text: str, now: str, zone: tzinfo | None) -> str:
    """A time by the same clock as the line's own; with its day, if that is another one."""
    at, today = (datetime.fromisoformat(each).astimezone(zone) for each in (text, now))
    return at.strftime("%H:%M:%S" if at.date() == today.date() else "%Y-%m-%d %H:%M:%S")


def _of_many(message: AlertMessage) -> tuple[Severity, str]:
    """The severity and the framework of a bulk change; on the stream of a workspace or a person the framework is not
    said."""
    severity = message.change.severity if message.change else None
    kind, _, rest = message.channel.partition(":")
    return severity or Severity.INFO, rest.partition(":")[2] if kind == "alerts" else "-"


def _details(message: AlertMessage, alert: Alert, zone: tzinfo | None) -> list[str]:
    found = []
    # A receipt comes when its alert may long be over, and so may what had kept it quiet.
    if alert.quieted_by is not None and (not message.suppressed or alert.state in OPEN_STATES):
        until = alert.quieted_until and _moment(alert.quieted_until, message.timestamp, zone)
        found.append(f"quiet: {quiet_words(alert.quieted_by.value, alert.quieted_ref, until)}")
    if alert.current_value is not None:
        limit = "" if alert.threshold_value is None else f", threshold {alert.threshold_value:g}"
        found.append(f"value {alert.current_value:g}{limit}")
    if message.suppressed:
        count = message.suppressed.count
        found.append(f"{count} more {'was' if count == 1 else 'were'} held back")
    elif message.event is EventKind.ESCALATED and alert.escalated is not None:
        found.append(f"step {alert.escalated.step} of {printable(alert.escalated.chain)}")
    elif alert.occurrences > 1:
        found.append(f"seen {alert.occurrences} times")
    return found + _acting(message, alert.notes if message.event is EventKind.COMMENTED else None, alert.assigned_to)


def _acting(message: AlertMessage, words: str | None, assignee: str | None = None) -> list[str]:
    """Who did it, to whom it goes now, and what was said."""
    change = message.change
    if change is not None:
        assignee = change.assigned_to or None
    found = [f"by {printable(message.by)}"] if message.by else []
    if message.event is EventKind.ASSIGNED:
        found.append(f"to {printable(assignee or 'nobody')}")
    return [*found, f'"{printable(words)}"'] if words else found


def quiet_words(by: str | None, ref: str | None, until: str | None) -> str | None:
    """Why an alert does not ring, which silence, window or rule is to blame, and until when; None if it rings."""
    if by is None:
        return None
    return printable(by + (f" by {ref}" if ref else "") + (f" until {until}" if until else ""))


def result_line(result: ItemResult) -> str:
    """What became of a trigger, as one line."""
    words = [result.status.value]
    if result.reason.value != result.status.value:
        words.append(f"({result.reason.value})")
    if result.alert_id is not None:
        words.append(f"alert {result.alert_id}")
    if result.message:
        words.append(printable(result.message))
    return " ".join(words)


def printable(text: str) -> str:
    """The text with everything that is no visible character as its code."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
