"""Silences and maintenance windows as objects: what must hold of one before it is kept.

A silence says who made it and why; one that would match every alert is refused, as Alertmanager does. What is wrong is
said with the field, the reason and an example of a right one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from msgspec.structs import replace

from actors.ports import Clock
from engine.access.roles import check
from engine.core.agenda import NEVER
from engine.core.patterns import compile_pattern
from engine.core.quieting import condition_of, window_of_silence
from engine.core.rules.schedule import check_hours
from engine.orders import StandingOrders
from engine.quiet.quiet_book import Quiet, QuietKey, compiled
from engine.shelf.kinds import Crowd, Held, Kind
from engine.shelf.live import Listener, ObjectFigures, readable
from engine.shelf.objects import Shelf
from engine.stores.objects import ObjectNews, StoredObject
from protocol.errors import BadRequest
from protocol.limits import Limit
from protocol.model import Principal
from protocol.quieting import Maintenance, Matcher, Operator, Silence
from protocol.times import SECOND_US, moment_of, rfc3339

SILENCE, MAINTENANCE = "silence", "maintenance"
# A request that was on its way for so long may still end a silence "now".
PAST_MAX_US = 60 * SECOND_US
HOUR_US = 3_600 * SECOND_US
# Steps of all expressions of one silence, 32 bytes each: ordinary ones have 10 to 100, a class like \pL has 1,200.
EXPRESSIONS_MAX = 4_000

EXAMPLE = '[{"name": "host", "operator": "=~", "value": "web-.*"}]'


class SilenceState(Enum):
    """Where a silence or a window is in its life; one that comes every week is pending between its times."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


def state_of(silence: Silence, now: int) -> SilenceState:
    """Where a silence is in its life at `now` (microseconds)."""
    window = window_of_silence(silence)
    if now >= window.ends_at:
        return SilenceState.EXPIRED
    return SilenceState.ACTIVE if now >= window.starts_at else SilenceState.PENDING


def _state_shown(one: Quiet, stored: StoredObject | None, now: int) -> SilenceState:
    if stored is not None and stored.archived_at is not None:
        # It is put away: nothing is quiet because of it.
        return SilenceState.EXPIRED
    if isinstance(one, Silence):
        return state_of(one, now)
    is_on, change = compiled(one).at(now)
    if is_on:
        return SilenceState.ACTIVE
    return SilenceState.EXPIRED if change == NEVER else SilenceState.PENDING


def expressions(most: int) -> Crowd[Quiet]:
    """Quiet that costs: what names a value exactly is found by it, and the others are asked, one by one, for every new
    alert of a workspace, on the loop that everybody shares."""
    return Crowd(
        name="quiet_expressions",
        most=most,
        setting="objects.quiet_expressions_max",
        limit=Limit.QUIET_EXPRESSIONS,
        means=lambda one: compiled(one).has_expressions,
        what="silences and maintenance windows in force with matchers other than `=`",
        advice="use `=`, one expression for several such as web-(1|2|3)-.*, or end some",
    )


def silence_kind(clock: Clock, silences_max: int, crowd: Crowd[Quiet]) -> Kind[Silence]:
    """What a silence is as an object."""

    def prepare(who: Principal, silence: Silence) -> Silence:
        return checked_silence(who, silence, clock())

    return Kind(
        name=SILENCE,
        type=Silence,
        objects_max=silences_max,
        setting="objects.silences_max",
        prepare=prepare,
        may_change=silences,
        ends_at=over_at,
        crowd=crowd,
        reckoned={"state": (SilenceState, lambda silence, stored: _state_shown(silence, stored, clock()))},
    )


def maintenance_kind(clock: Clock, windows_max: int, crowd: Crowd[Quiet]) -> Kind[Maintenance]:
    """What a maintenance window is as an object."""
    return Kind(
        name=MAINTENANCE,
        type=Maintenance,
        objects_max=windows_max,
        setting="objects.maintenance_max",
        prepare=lambda _, planned: checked_maintenance(planned),
        frameworks_of=lambda planned: planned.frameworks,
        may_change=silences,
        ends_at=over_at,
        crowd=crowd,
        reckoned={"state": (SilenceState, lambda planned, stored: _state_shown(planned, stored, clock()))},
    )


def over_at(one: Quiet) -> int | None:
    """When it is over for good (microseconds); None: never, it comes again every week."""
    ends_at = compiled(one).ends_at
    return None if ends_at == NEVER else ends_at


def follow_quiet(
    orders: StandingOrders, changed: Callable[[str], None], clock: Clock, kind: Kind[Any], figures: ObjectFigures
) -> Listener:
    """Keeps the standing orders as the store has them; `changed` is told of which workspace."""

    def told(news: Sequence[ObjectNews]) -> None:
        changes: dict[str, dict[QuietKey, Quiet | None]] = {}
        for each in news:
            if each.now is None and not orders.quiet.knows(each.workspace, (kind.type, each.id)):
                # What was over is deleted: that changes nothing for anybody.
                continue
            now = each.now if each.now is not None and each.now.archived_at is None else None
            one = None if now is None else readable(kind, now, figures)
            changes.setdefault(each.workspace, {})[kind.type, each.id] = one
        for workspace, those in changes.items():
            orders.put_quiet(workspace, those, clock())
            changed(workspace)

    return told


async def end_silence(
    shelf: Shelf[Silence], who: Principal, silence_id: str, now: int, address: str = ""
) -> Held[Silence]:
    """Ends a silence now; one that is over stays as it is. Raises UnknownChannel, PermissionDenied, Outdated."""
    held = await shelf.to_change(who, silence_id)
    state = state_of(held.value, now)
    if state is SilenceState.EXPIRED:
        return held
    end = rfc3339(now)
    change = {"ends_at": end} if state is SilenceState.ACTIVE else {"starts_at": end, "ends_at": end}
    return await shelf.patch(who, silence_id, change, held.version, address)


def silences(who: Principal, before: object, after: object) -> None:
    """Who may silence."""
    check(who, "silence")


def checked_silence(who: Principal, silence: Silence, now: int) -> Silence:
    """A silence as it is kept: its author is who sends it, and it begins now unless it says when. Raises BadRequest."""
    starts_at = moment_of(silence.starts_at, "starts_at") if silence.starts_at else now
    ends_at = moment_of(silence.ends_at, "ends_at")
    if ends_at < starts_at:
        later = rfc3339(starts_at + 2 * HOUR_US)
        raise BadRequest(
            f'ends_at: {silence.ends_at} is before starts_at ({rfc3339(starts_at)}); such as "ends_at": "{later}"'
        )
    if ends_at < now - PAST_MAX_US:
        raise BadRequest(f"ends_at: {silence.ends_at} is over already, it is {rfc3339(now)}; say when it is to end")
    if not silence.comment.strip():
        raise BadRequest('comment: it is empty; say why, such as "disk is being replaced, ticket 4711"')
    check_matchers(silence.matchers)
    check_some_label(silence.matchers)
    return replace(silence, author=who.user, starts_at=rfc3339(starts_at), ends_at=rfc3339(ends_at))


def checked_maintenance(planned: Maintenance) -> Maintenance:
    """A window as it is kept. Raises BadRequest."""
    starts_at = None if planned.starts_at is None else moment_of(planned.starts_at, "starts_at")
    ends_at = None if planned.ends_at is None else moment_of(planned.ends_at, "ends_at")
    if planned.weekly is None and (starts_at is None or ends_at is None):
        raise BadRequest(
            "starts_at and ends_at, or weekly, are needed; such as "
            '"weekly": {"days": ["sun"], "start": "02:00", "end": "04:00", "zone": "Europe/Berlin"}'
        )
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        later = rfc3339(starts_at + 2 * HOUR_US)
        raise BadRequest(
            f'ends_at: {planned.ends_at} is not after starts_at ({planned.starts_at}); such as "ends_at": "{later}"'
        )
    if planned.weekly is not None:
        try:
            check_hours(planned.weekly)
        except ValueError as fault:
            raise BadRequest(f"weekly.{fault}") from fault
    check_matchers(planned.matchers)
    return replace(
        planned,
        starts_at=None if starts_at is None else rfc3339(starts_at),
        ends_at=None if ends_at is None else rfc3339(ends_at),
    )


def check_matchers(matchers: Sequence[Matcher]) -> None:
    """Raises BadRequest for an expression that RE2 does not take, and for all of them if they are too large."""
    size = 0
    for number, matcher in enumerate(matchers):
        if matcher.operator in (Operator.MATCHES, Operator.MATCHES_NOT):
            try:
                size += compile_pattern(matcher.value).size
            except BadRequest as fault:
                raise BadRequest(f"matchers[{number}].value: {fault.message}; write it such as {EXAMPLE}") from fault
    if size > EXPRESSIONS_MAX:
        raise BadRequest(f"matchers: their expressions compile to {size} steps, at most {EXPRESSIONS_MAX}: say less")


def check_some_label(matchers: Sequence[Matcher]) -> None:
    """Raises BadRequest for matchers that would mean every alert."""
    if all(condition_of(matcher).accepts("") for matcher in matchers):
        raise BadRequest(f"matchers: at least one must not match an empty label, or all is silenced; such as {EXAMPLE}")
