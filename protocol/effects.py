"""What a channel's machine decided, what the store is asked to keep, and what the store answers."""

from __future__ import annotations

import msgspec

from protocol.commands import Batch
from protocol.items import ItemResult
from protocol.jobs import NewJob
from protocol.limits import Limit
from protocol.model import Alert, ChannelKey, Event, Severity, StreamKey
from protocol.readings import Logged, LoggedSeries, RuleState
from protocol.rows import Row


class StormState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A channel's budget of new alerts: when it is full again, and the storm, if there is one (`since` is not 0).

    `held`: alerts that it has kept from ringing, `rang`: those of them whose turn has come. Times are microseconds.
    """

    full_at: int = 0
    since: int = 0
    held: int = 0
    rang: int = 0


class StormNotice(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A storm has begun, or is over, at `at`; `since` when it began."""

    at: int
    since: int
    held: int = 0
    rang: int = 0
    is_over: bool = False


class Audit(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a person did: append-only. `before` and `after` name what is different: `state`, `assigned_to`."""

    at: int
    by: str
    verb: str
    alert_id: str
    notes: str | None = None
    address: str = ""
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}


class Decision(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One batch decided: its results, and what must be stored before any of it is told.

    A command has one result, an `Act` one for each of its alerts, a `Preview` one for each of its commands; all of them
    in the order of the commands.

    `offset` is the channel's offset afterwards. A decision that is not durable needs no commit.
    """

    results: tuple[ItemResult, ...]
    offset: int
    events: tuple[Event, ...] = ()
    rows: tuple[Row, ...] = ()
    audits: tuple[Audit, ...] = ()
    # What was answered busy, and why: counted when the decision holds, stored nowhere.
    refusals: tuple[Limit, ...] = ()
    # The channel's budget, if that has changed; and storms that began or ended, which are only counted and logged.
    storm: StormState | None = None
    storms: tuple[StormNotice, ...] = ()
    # What rules were asked about, as the log keeps it, and the series that came up for the first time.
    readings: Logged | None = None
    series: tuple[LoggedSeries, ...] = ()
    # What rules remember, as far as it is to be stored now.
    states: tuple[RuleState, ...] = ()
    # Up to this row of the log stored states have seen everything: a restart replays what comes after it.
    settled: int = 0
    # What is to be done about it later; enqueued in the same transaction.
    jobs: tuple[NewJob, ...] = ()

    @property
    def is_durable(self) -> bool:
        """Whether there is anything to store."""
        return bool(
            self.rows
            or self.events
            or self.audits
            or self.readings
            or self.states
            or self.series
            or self.jobs
            or self.storm is not None
        )


class Commit(msgspec.Struct, frozen=True, gc=False):
    """What one channel asks the store to keep. `base` and `after` are the offset and the batch that it continues from.

    They are the fence: another node may have stored counters, which move no offset. `after` None: any batch will do.
    """

    key: ChannelKey
    base: int
    batch: Batch
    decision: Decision
    after: str | None = None


class Committed(msgspec.Struct, frozen=True, gc=False):
    """On stable storage. `results` differ from the decision's only if this very batch was committed before."""

    results: tuple[ItemResult, ...]
    events: tuple[Event, ...]


class Behind(msgspec.Struct, frozen=True, gc=False):
    """The store has moved on to `offset`: recall, and decide again."""

    offset: int


# How the cause of an `Unavailable` begins where somebody must do something: make room; restore a copy, as trying again
# never helps; put the file back, as what goes into one that nobody can open any more is stored nowhere.
DISK_FULL = "its disk is full"
DAMAGED = "its data are damaged"
MOVED = "its file was moved or deleted"
FOR_PEOPLE = (DISK_FULL, DAMAGED, MOVED)


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """The store does not answer now; whether the commit happened is unknown. Offer the same batch again."""

    cause: str


CommitOutcome = Committed | Behind | Unavailable


class Recalled(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the store knows of a channel: all alerts that are open or whose window is, and where the stream stands.

    `floor` is the offset below which events are trimmed: recovery from `floor` or later is possible.
    """

    epoch: str
    offset: int
    floor: int = 0
    rows: tuple[Row, ...] = ()
    last_batch: str = ""
    last_results: tuple[ItemResult, ...] = ()
    storm: StormState = StormState()
    # The log's last row, all series, what rules remembered, and the rows that not all of them have seen.
    seq: int = 0
    series: tuple[LoggedSeries, ...] = ()
    states: tuple[RuleState, ...] = ()
    readings: tuple[Logged, ...] = ()


class OpenAlerts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A page of a stream's open alerts, newest first, as they were when the stream stood at `offset`."""

    offset: int
    alerts: tuple[Alert, ...]
    last: bool


# The `after` of a mark that is about a snapshot: what was open at `until`, whenever it had been told.
FROM_SNAPSHOT = -1


class RecipientMark(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A person says to have received (or seen) a stretch of a stream: after `after`, up to `until`.

    Only of alerts at least as severe as `min_severity`: the others were never sent. `at` in microseconds.
    """

    stream: StreamKey
    user: str
    is_seen: bool
    min_severity: Severity
    after: int
    until: int
    at: int


class AlertRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """When a person received an alert and when they saw it, RFC 3339; what was seen was received."""

    user: str
    received_at: str | None
    seen_at: str | None
