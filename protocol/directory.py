"""Who and what alerts are about: frameworks (what is watched), people, teams with a rota, workspaces.

Values only. Ids are the ones that tokens and producers use: a user's is `sub` of his tokens, a framework's is the
`framework_id` of triggers. References between them (an owner, a member) are names and may dangle: a team can be written
down before its people are, and who leaves does not take a team's history with him.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from protocol.fields import Id, Label, Labels, Title

METRICS_MAX = 512
MEMBERS_MAX = 100
OVERRIDES_MAX = 100
EMAIL_MAX_CHARS = 254

# Nothing behind it: `$` alone would let a line end pass.
Email = Annotated[str, msgspec.Meta(max_length=EMAIL_MAX_CHARS, pattern=r"^([^@\s]+@[^@\s]+)?(?![\s\S])")]
# An IANA name, such as Europe/Berlin; who takes it in checks that there is such a zone.
Zone = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Moment = Annotated[str, msgspec.Meta(max_length=40)]
Members = Annotated[tuple[Id, ...], msgspec.Meta(max_length=MEMBERS_MAX)]


class _Object(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a mistyped field is refused in."""


class FrameworkKind(enum.Enum):
    """What is watched."""

    SERVICE = "service"
    HOST = "host"
    PROJECT = "project"
    DATABASE = "database"
    QUEUE = "queue"
    NETWORK = "network"
    JOB = "job"
    OTHER = "other"


class HealthCategory(enum.Enum):
    """The five sides of health that a metric can speak of."""

    PERFORMANCE = "performance"
    AVAILABILITY = "availability"
    SECURITY = "security"
    SCALABILITY = "scalability"
    COST = "cost"


class Framework(_Object, frozen=True, kw_only=True):
    """Something that is watched: `id` is the `framework_id` of its triggers and readings. `owner`: a team's id.

    `metrics` maps names of metrics to the side of health that they speak of.
    """

    id: Id
    kind: FrameworkKind = FrameworkKind.SERVICE
    name: Title = ""
    owner: Id | None = None
    labels: Labels = {}
    metrics: Annotated[dict[Id, HealthCategory], msgspec.Meta(max_length=METRICS_MAX)] = {}


class Role(enum.Enum):
    """What a person is meant to be. What a token may do is its own role: this one is for whoever issues tokens."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    PRODUCER = "producer"
    EDITOR = "editor"
    ADMIN = "admin"


class User(_Object, frozen=True, kw_only=True):
    """A person: `id` is `sub` of his tokens. `slack_id` and `email` are where notifications reach him; links in mails
    and buttons in Slack act with `role`."""

    id: Id
    name: Title = ""
    email: Email = ""
    slack_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    zone: Zone = "UTC"
    role: Role = Role.VIEWER


class Override(_Object, frozen=True, kw_only=True):
    """Somebody stands in from `start` until `end` (RFC 3339). Of several at a time the last in the list counts."""

    user: Id
    start: Moment
    end: Moment


class Rota(_Object, frozen=True, kw_only=True):
    """Who is on call: each in `order` for `every_days`, handed over at `handover` o'clock in `zone`.

    The first one begins on `starts_on`. Days are those of the calendar there: a handover at 09:00 is at 09:00 in summer
    and in winter.
    """

    starts_on: Day
    order: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=MEMBERS_MAX)]
    handover: ClockTime = "09:00"
    zone: Zone = "UTC"
    every_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 7
    overrides: Annotated[tuple[Override, ...], msgspec.Meta(max_length=OVERRIDES_MAX)] = ()


class Team(_Object, frozen=True, kw_only=True):
    """People who answer for something together."""

    id: Id
    name: Title = ""
    members: Members = ()
    rota: Rota | None = None
    labels: Labels = {}


class Workspace(_Object, frozen=True, kw_only=True):
    """A workspace, as the engine's operator knows it. It exists with its first token; this is what is known of it."""

    id: Id
    name: Title = ""
    labels: Labels = {}
    notes: Label = ""
