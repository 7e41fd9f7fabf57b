"""Schedules that people make: what is done when. Values only; `engine.core.firing` says what a cron line means."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import msgspec

from protocol.fields import Id, Title

# Far more than five fields with lists take.
LINE_MAX_CHARS = 128
CronLine = Annotated[str, msgspec.Meta(min_length=1, max_length=LINE_MAX_CHARS)]
ZoneName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
KindName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ARGS_MAX = 32


class Missed(Enum):
    """What is done about moments that passed while nobody was there."""

    COALESCE = "coalesce"
    CATCH_UP = "catch_up"
    SKIP = "skip"


class OwnSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule of a workspace: a job of `kind` with `args` at the moments that `cron` says in `zone`.

    `missed`: one run for all that was missed (`coalesce`), one for each, at most 24 (`catch_up`), or none (`skip`).
    """

    id: Id
    cron: CronLine
    kind: KindName
    name: Title = ""
    zone: ZoneName = "UTC"
    missed: Missed = Missed.COALESCE
    args: Annotated[dict[KindName, Any], msgspec.Meta(max_length=ARGS_MAX)] = {}
