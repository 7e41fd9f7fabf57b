"""Who was meant and is not there: a rule, a chain or a framework names somebody, and there is nobody. Pure.

Names may dangle, because people are written down in any order and leave. So what is said to nobody is said in the
ledger: whoever asks why he got nothing finds his name there, spelled as the chain spells it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.core.routing import Answer, Routed
from protocol.endpoints import Endpoint
from protocol.notify import Channel, Recipient, Why


class Meant(NamedTuple):
    """Whom a change of an alert is meant for. `answering`: of each of the teams that there is who answers for it."""

    users: Iterable[str] = ()
    teams: Sequence[str] = ()
    endpoints: Sequence[str] = ()
    answering: Mapping[str, Sequence[str]] = {}


def absent(meant: Meant, people: Container[str], endpoints: Sequence[Endpoint]) -> Iterator[Routed]:
    """An answer for each name behind which there is nobody; `people` and `endpoints` are those that there are."""
    for user in dict.fromkeys(meant.users):
        if user not in people:
            yield _not_told(Channel.IN_APP, Recipient(user=user), Why.UNKNOWN)
    for team in dict.fromkeys(meant.teams):
        if not any(user in people for user in meant.answering.get(team, ())):
            why = Why.NOBODY if team in meant.answering else Why.UNKNOWN
            yield _not_told(Channel.IN_APP, Recipient(team=team), why)
    there = {name for endpoint in endpoints for name in endpoint.names} if meant.endpoints else set()
    for name in dict.fromkeys(meant.endpoints):
        if name not in there:
            # By which channel it would have been told nobody knows; most endpoints are webhooks.
            yield _not_told(Channel.WEBHOOK, Recipient(endpoint=name), Why.UNKNOWN)


def _not_told(channel: Channel, recipient: Recipient, why: Why) -> Routed:
    return Routed(channel=channel, recipient=recipient, answer=Answer.SUPPRESS, why=why)
