"""Tells whoever follows a workspace what has happened to its incidents: a hint, beside the stream.

Owns nothing. The store is the record: whoever was away asks for the list. Of one look at some events each incident is
told once, with what happened last, and at most HINTS_MAX of them: a page that is told of one looks again at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.derived import DerivedStreams
from engine.others import Others
from protocol.hints import IncidentNews, IncidentUpdated
from protocol.incidents import Happening, Incident, Moment
from protocol.model import DerivedKey

HINTS_MAX = 20
# What changes the incident itself, and not only one of its alerts.
_TOLD = frozenset(happening for happening in Happening if not happening.value.startswith("alert_"))


class IncidentHints:
    """Tells, here and on other nodes."""

    def __init__(self, derived: DerivedStreams, others: Others) -> None:
        self._derived = derived
        self._others = others

    def tell(self, workspace: str, news: Sequence[tuple[Incident, Moment]]) -> None:
        """What has happened, in order."""
        stream = DerivedKey(workspace)
        audience = self._derived.find(stream)
        if audience is None and not self._others.are_there:
            return
        last = {incident.id: (incident, moment) for incident, moment in news if moment.what in _TOLD}
        hints = [
            IncidentUpdated(channel=stream.name, data=news_of(incident, moment))
            for incident, moment in list(last.values())[-HINTS_MAX:]
        ]
        if hints:
            if audience is not None:
                audience.hint(hints)
            self._others.hint(stream, hints)


def news_of(incident: Incident, moment: Moment) -> IncidentNews:
    """An incident as a hint shows it."""
    return IncidentNews(
        id=incident.id,
        event=moment.what,
        state=incident.state,
        title=incident.title,
        severity=incident.severity,
        alerts=incident.alerts,
        open_alerts=incident.open_alerts,
        alert_id=moment.alert_id,
    )
