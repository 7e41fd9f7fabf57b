"""How people want to be told: by which channels, when not, and what together. Values only.

A preference is an object of its workspace like any other, its person's own; who asks it is `engine.core.routing`.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

import msgspec

from protocol.directory import ClockTime, Zone
from protocol.fields import Id
from protocol.model import Severity
from protocol.notify import Channel

# Of a weekly report: who looks after more has it about all of them.
REPORT_FRAMEWORKS_MAX = 100
Channels = Annotated[tuple[Channel, ...], msgspec.Meta(max_length=len(Channel))]


class DigestFrequency(Enum):
    """How often what was put aside is sent together."""

    OFF = "off"
    HOURLY = "hourly"
    DAILY = "daily"


class Digest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is put aside and sent together instead of at once: alerts up to `up_to`; daily ones at `hour` o'clock."""

    frequency: DigestFrequency = DigestFrequency.OFF
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 8
    up_to: Severity = Severity.WARNING


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When somebody is not to be disturbed: as a rule's active hours (`protocol.rules`), in the zone of who asks."""

    start: ClockTime = "22:00"
    end: ClockTime = "07:00"
    days: Annotated[tuple[str, ...], msgspec.Meta(max_length=7)] = ()


class WeeklyReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report by e-mail about the week before, on `day` at `hour` o'clock; about these frameworks (none: all)."""

    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 8
    frameworks: Annotated[tuple[Id, ...], msgspec.Meta(max_length=REPORT_FRAMEWORKS_MAX)] = ()


class Preference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a person wants to be told; `id` is the user's. Of severities without an entry: in the app and by e-mail.

    In the quiet hours only what is at least as severe as `quiet_below` passes, and what escalates; the rest is sent
    together when they end. The app's own list is quiet by itself: neither hours nor digests hold for it. `zone`: that
    of hours, digests and the weekly report (none: it is not sent); none: the user's own.
    """

    id: Id
    channels: dict[Severity, Channels] = {}
    quiet_hours: QuietHours | None = None
    quiet_below: Severity = Severity.CRITICAL
    digest: Digest = Digest()
    weekly_report: WeeklyReport | None = None
    zone: Zone | None = None
