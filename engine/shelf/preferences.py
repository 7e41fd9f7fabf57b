"""Preferences and escalation chains as objects: who may change them, and what must hold.

A preference belongs to the person of its id: he makes and changes it himself, whatever his role; an administrator may
as well. Everybody who may read sees those of all: who wonders why somebody was not told must be able to look. Chains
are an editor's.
"""

from __future__ import annotations

import msgspec

from engine.access.roles import check
from engine.core.agenda import NEVER
from engine.core.routing import channels_for
from engine.core.rules.schedule import check_hours
from engine.notify.facts import PREFERENCE
from engine.sections.keeping import Objects
from engine.shelf.directory import check_zone
from engine.shelf.kinds import Kind
from engine.stores.objects import StoredObject
from protocol.errors import BadRequest
from protocol.escalation import Escalation
from protocol.model import Principal, Severity
from protocol.notify import PERSONAL, Channel
from protocol.preferences import DigestFrequency, Preference
from protocol.rules import ActiveHours

ESCALATION = "escalation"
# More often is what people switch off.
REMIND_MIN_S = 60.0


def preference_kind(limits: Objects) -> Kind[Preference]:
    """How people want to be told."""
    return Kind(
        name=PREFERENCE,
        type=Preference,
        objects_max=limits.preferences_max,
        setting="objects.preferences_max",
        prepare=checked_preference,
        may_change=changes_preference,
        reckoned={"advice": (list[str] | msgspec.UnsetType, advice_on)},
    )


def escalation_kind(limits: Objects) -> Kind[Escalation]:
    """Whom an alert goes to next."""
    return Kind(
        name=ESCALATION,
        type=Escalation,
        objects_max=limits.escalations_max,
        setting="objects.escalations_max",
        prepare=checked_escalation,
        frameworks_of=lambda escalation: escalation.frameworks,
    )


def advice_on(preference: Preference, _: StoredObject | None) -> list[str] | msgspec.UnsetType:
    """What it does not do, though it looks as if it did; left out if there is nothing of that kind."""
    digest, most = preference.digest, preference.digest.up_to
    if digest.frequency is DigestFrequency.OFF or any(
        channel is not Channel.IN_APP
        for severity in Severity
        if severity.rank <= most.rank
        for channel in channels_for(preference, severity)
    ):
        return msgspec.UNSET
    example = f'"{most.value}": ["in_app", "email"]'
    return [f"digest: always empty, because alerts up to {most.value} go to the app at most; to channels add {example}"]


def changes_preference(who: Principal, before: Preference | None, after: Preference | None) -> None:
    """Everybody his own, an administrator anybody's. With neither it is asked whether he may change any at all."""
    those = [each for each in (before, after) if each is not None]
    is_own = all(each.id == who.user for each in those)
    check(who, "read" if is_own else "administer")


def checked_preference(_: Principal, preference: Preference) -> Preference:
    """A preference whose zone and hours there are, and whose channels reach a person. Raises BadRequest."""
    for severity, channels in preference.channels.items():
        for channel in channels:
            if channel not in PERSONAL:
                raise BadRequest(
                    f"channels.{severity.value}: {channel.value!r} reaches nobody in person, it is for endpoints; "
                    f"allowed: {', '.join(each.value for each in PERSONAL)}"
                )
    if preference.zone is not None:
        check_zone(preference.zone, "zone")
    quiet = preference.quiet_hours
    if quiet is not None:
        try:
            hours = check_hours(ActiveHours(start=quiet.start, end=quiet.end, days=quiet.days))
        except ValueError as fault:
            raise BadRequest(f"quiet_hours.{fault}") from fault
        if hours.at(0)[1] == NEVER:
            raise BadRequest(
                f"quiet_hours: from {quiet.start} to {quiet.end} on every day has no end, and what waits for it is "
                'never told; for no messages at all leave the channel out of channels, such as {"info": []}'
            )
    return preference


def checked_escalation(_: Principal, chain: Escalation) -> Escalation:
    """A chain that does something. Raises BadRequest."""
    if not chain.steps and not chain.remind_every_s:
        raise BadRequest(
            'steps: the chain tells nobody; for example [{"after_s": 600, "teams": ["platform"]}], or remind_every_s'
        )
    for place, step in enumerate(chain.steps):
        if not (step.users or step.teams or step.endpoints):
            raise BadRequest(f'steps[{place}]: it tells nobody; name users, teams or endpoints, such as ["ann"]')
    if 0 < chain.remind_every_s < REMIND_MIN_S:
        raise BadRequest(
            f"remind_every_s: {chain.remind_every_s:g} s is less than {REMIND_MIN_S:g} s: people would switch it off"
        )
    return chain
