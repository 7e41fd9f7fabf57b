"""Words without a template: what is said where nobody has configured how."""

from __future__ import annotations

from protocol.model import Alert
from protocol.notify import Change, Outgoing, Rendered


class PlainRenderer:
    """One line for each alert."""

    async def render(self, message: Outgoing) -> Rendered:
        """A subject and a text."""
        lines = [_line(alert) for alert in message.alerts]
        if message.more:
            lines.append(f"... and {message.more} more")
        if message.text:
            lines.append(message.text)
        return Rendered(subject=_subject(message), text="\n".join(lines))


def _subject(message: Outgoing) -> str:
    count = len(message.alerts) + message.more
    if message.change is Change.DIGEST:
        return f"{count} alerts" if count > 1 else f"Digest: {message.alerts[0].title}"
    by = f" by {message.by}" if message.by else ""
    return f"{message.change.value}{by}: {message.alerts[0].title}"


def _line(alert: Alert) -> str:
    return f"[{alert.severity.value}] {alert.title} ({alert.framework_id}): {alert.state.value}"
