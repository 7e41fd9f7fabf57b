"""Escalation: whom an alert goes to next while nobody has taken it on, and how often everybody is reminded. Values.

A chain is for the rules or frameworks that it names, else for all. It begins when an alert rings, and ends when
somebody acknowledges it, or it is over. Each step waits for `after_s` after the one before.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocol.fields import Id, Title
from protocol.model import Severity

STEPS_MAX = 10
REPEAT_MAX = 5
# Who has not answered in a day of reminders will not answer because of the next one.
REMINDERS_MAX = 96
_DAY_S = 86_400.0

_Wait = Annotated[float, msgspec.Meta(ge=1.0, le=_DAY_S)]
_Names = Annotated[tuple[Id, ...], msgspec.Meta(max_length=100)]


class EscalationStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After so long without an answer: these users, who is on call in these teams, these endpoints."""

    after_s: _Wait
    users: _Names = ()
    teams: _Names = ()
    endpoints: _Names = ()


class Escalation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chain. `repeat`: how often it is gone through again. `remind_every_s`: everybody who was told is told again so
    often, at most `REMINDERS_MAX` times (0: never)."""

    id: Id
    title: Title = ""
    enabled: bool = True
    rules: _Names = ()
    frameworks: _Names = ()
    min_severity: Severity = Severity.ERROR
    steps: Annotated[tuple[EscalationStep, ...], msgspec.Meta(max_length=STEPS_MAX)] = ()
    repeat: Annotated[int, msgspec.Meta(ge=0, le=REPEAT_MAX)] = 0
    remind_every_s: Annotated[float, msgspec.Meta(ge=0.0, le=_DAY_S)] = 0.0
