"""An incident for somebody who may see only some frameworks: what he may see of it, and that there is more. Pure.

Every figure is of the alerts that he may see; how many others there are, how bad they are, and what their rules are
called is not told. What is the incident's as a whole stays: its state, since when it is in it, who resolved it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from engine.core.analytics.incident_case import GOES_WITH, began
from protocol.incidents import Incident, Member, Moment
from protocol.model import Severity

# Of what was merged into another one no alert is left.
NOTHING = "no alerts any more"
_MILDEST = min(Severity, key=lambda severity: severity.rank)
_ANOTHER = "goes with another rule"


def part_of(incident: Incident, members: Sequence[Member]) -> tuple[Incident, list[Member]]:
    """An incident that has others besides these alerts, as they show it; and they, in the order of their beginnings."""
    rules = {member.rule_id for member in members if member.rule_id is not None}
    mine = [replace(member, tie=_told(member.tie, rules)) for member in sorted(members, key=began)]
    names = {member.alert_id for member in mine}
    return (
        replace(
            incident,
            title=mine[0].title if mine else NOTHING,
            severity=max((member.severity for member in mine), key=lambda severity: severity.rank, default=_MILDEST),
            started_at=mine[0].started_at if mine else incident.started_at,
            alerts=len(mine),
            open_alerts=sum(member.state.is_open for member in mine),
            frameworks=tuple(sorted({member.framework for member in mine})),
            story=tuple([_line(each, rules) for each in incident.story if each.alert_id in names]),
            untold=0,
            has_others=True,
        ),
        mine,
    )


def _line(moment: Moment, rules: Collection[str]) -> Moment:
    return replace(moment, note=_told(moment.note, rules))


def _told(tie: str, rules: Collection[str]) -> str:
    """Why an alert belongs, without the name of a rule that none of these alerts has."""
    return _ANOTHER if tie.startswith(GOES_WITH) and tie.removeprefix(GOES_WITH) not in rules else tie
