"""Alerts that tie, directly or through others: an incident, once there are two that differ. `correlating` owns them."""

from __future__ import annotations

from engine.core.analytics.incident_case import Case, began
from protocol.incidents import Member
from protocol.times import SECOND_US

# However long a chain of alerts goes on: nobody looks for the cause of more than a day.
SPAN_US = 86_400 * SECOND_US


class AlertGroup:
    """Its alerts by their ids. `case`: the incident, if it is one; then it has the same alerts.

    What a group is asked for at each new alert is kept, not looked for: a flood of one alert is a group of thousands.
    """

    __slots__ = ("_first", "case", "members", "signatures")

    def __init__(self, members: dict[str, Member], case: Case | None = None) -> None:
        self.members = members
        self.case = case
        self.signatures = {member.signature for member in members.values()}
        self._first = min([began(member) for member in members.values()], default=None)

    def add(self, member: Member) -> None:
        """One more alert."""
        self.members[member.alert_id] = member
        self.signatures.add(member.signature)
        self._first = began(member) if self._first is None else min(self._first, began(member))

    @property
    def age(self) -> tuple[bool, int, str]:
        """The oldest incident first, then what is none yet."""
        if self.case is not None:
            return False, self.case.incident.started_at, self.case.id
        return True, *(self._first or (0, ""))

    def takes(self, at: int) -> bool:
        """Whether one more that began then may belong to it."""
        incident = self.case.incident if self.case is not None else None
        if abs(at - self.age[1]) > SPAN_US:
            return False
        # Who resolved it as a whole has done with it: what begins later is another one.
        is_closed = incident is not None and incident.resolved_by is not None
        return not (is_closed and incident is not None and at >= (incident.resolved_at or at))

    def is_all_like(self, member: Member) -> bool:
        """Whether it is the same alert as this one, again and again."""
        return self.signatures == {member.signature}
