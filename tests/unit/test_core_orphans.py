"""Open alerts that no reading can close any more: after a rule was changed, also over a restart."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.channel import ChannelMachine
from engine.core.seriesroom import FORGET_US
from protocol.commands import Ring
from protocol.effects import Recalled
from protocol.model import EventKind
from protocol.readings import RuleState
from protocol.rules import AnomalyRule, MilestoneRule, NoData, Rule, SuppressBy
from tests.support.acts import resolving
from tests.support.watched import BELOW, RESOLVED, SECOND, Watched, a_rule
from tests.unit.test_core_channel import BUSY, DUPLICATE, FIRED, KEY

FIRED_AND_RESOLVED = [EventKind.FIRED, EventKind.RESOLVED]


class Kept(Watched):
    """A channel that keeps what its rules remember, as the store does."""

    states: dict[tuple[str, str], RuleState]

    def send(self, *commands: Any) -> Any:
        results = super().send(*commands)
        self._keep()
        return results

    def _keep(self) -> None:
        for state in self.decision.states:
            place = state.rule, str(sorted(state.labels.items()))
            self.states.pop(place, None)
            if state.body:
                self.states[place] = state

    def build(self) -> ChannelMachine:
        self.states = getattr(self, "states", {})
        rows, states = tuple(self.rows.values()), tuple(self.states.values())
        recalled = Recalled(epoch="e", offset=len(self.events), rows=rows, states=states)
        return ChannelMachine(KEY, recalled, self.orders, self.policy)

    def change(self, is_restarted: bool, *rules: Rule) -> None:
        """Other rules hold; the machine hears of it while it runs, or at its next start."""
        self.obey(*rules)
        if is_restarted:
            self.machine = self.build()
        self.send()


def silent(**fields: Any) -> Rule:
    return a_rule(**({"no_data": NoData.ALERT, "no_data_s": 60.0} | fields))


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize(
    "changed",
    [
        a_rule(match={"env": "prod"}),
        a_rule(metric="other"),
        a_rule(suppress_by=SuppressBy.RULE),
        AnomalyRule(id="hot", framework="f", metric="temp"),
        MilestoneRule(id="hot", framework="f", metric="temp", goals=(100.0,)),
    ],
    ids=["match", "metric", "suppress_by", "anomaly", "milestone"],
)
def test_a_rule_that_looks_elsewhere_closes_its_alerts(changed: Rule, is_restarted: bool) -> None:
    channel = Kept(a_rule(), a_rule(id="stays"))
    channel.read(60.0, host="h1")
    channel.change(is_restarted, changed, a_rule(id="stays"))
    assert [(event.kind, event.alert.rule_id, event.by) for event in channel.events[2:]] == [
        (EventKind.RESOLVED, "hot", "rule")
    ]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_still_holds_rings_anew_in_spite_of_the_window(is_restarted: bool) -> None:
    channel = Kept(a_rule())
    channel.read(60.0, env="prod")
    channel.change(is_restarted, a_rule(match={"env": "prod"}))
    assert channel.kinds() == FIRED_AND_RESOLVED
    assert channel.read(60.0, after=1.0, env="prod") == FIRED


def test_a_change_that_a_start_has_dealt_with_is_none_at_the_next_start() -> None:
    channel = Kept(a_rule())
    channel.read(60.0, host="h1")
    channel.change(True, a_rule(suppress_by=SuppressBy.RULE))
    assert channel.read(60.0, after=1.0, host="h1") == FIRED
    channel.change(True, a_rule(suppress_by=SuppressBy.RULE))
    assert channel.read(60.0, after=1.0, host="h1") == DUPLICATE


def test_series_have_alerts_of_their_own_again_after_one_for_all() -> None:
    channel = Watched(a_rule(suppress_by=SuppressBy.RULE))
    for host in ("h1", "h2"):
        channel.read(60.0, host=host)
    channel.obey(a_rule())
    channel.send()
    assert channel.read(60.0, after=1.0, host="h1") == FIRED
    assert channel.read(40.0, after=1.0, host="h1") == RESOLVED, "whatever the other one does"


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("changed", [silent(threshold=55.0), silent(no_data=NoData.KEEP), silent(no_data=NoData.OK)])
def test_a_rule_that_would_not_notice_that_readings_come_again_closes_no_data(
    changed: Rule, is_restarted: bool
) -> None:
    channel = Kept(silent())
    channel.read(40.0, host="h1")
    assert channel.wait(61.0) == [EventKind.FIRED]
    channel.change(is_restarted, changed)
    assert channel.kinds() == FIRED_AND_RESOLVED


@pytest.mark.parametrize("is_restarted", [False, True])
def test_other_changes_leave_no_data_until_readings_come_again(is_restarted: bool) -> None:
    channel = Kept(silent())
    channel.read(40.0, host="h1")
    channel.wait(61.0)
    channel.change(is_restarted, silent(no_data_s=30.0))
    assert channel.kinds() == [EventKind.FIRED]
    channel.read(40.0, after=1.0, host="h1")
    assert channel.kinds() == FIRED_AND_RESOLVED


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_changed_threshold_leaves_an_alert_to_the_next_reading(is_restarted: bool) -> None:
    channel = Kept(a_rule())
    channel.read(60.0, host="h1")
    channel.change(is_restarted, a_rule(threshold=70.0))
    assert channel.kinds() == [EventKind.FIRED]
    assert channel.read(60.0, after=1.0, host="h1") == RESOLVED


def test_states_of_an_earlier_version_are_no_change_of_their_rule() -> None:
    channel = Kept(a_rule())
    channel.read(60.0, host="h1")
    for place, state in channel.states.items():
        essence = state.essence.partition(".")[0]
        old = RuleState(rule=state.rule, labels=state.labels, essence=essence, seq=state.seq, body=state.body, due=None)
        channel.states[place] = old
    channel.change(True, a_rule())
    assert channel.kinds() == [EventKind.FIRED]


def test_a_series_that_is_missed_is_not_forgotten_and_its_alert_ends_when_it_is_back() -> None:
    channel = Watched(silent(), rule_series_max=1)
    channel.read(40.0, host="h1")
    assert channel.wait(FORGET_US / SECOND) == [EventKind.FIRED]
    assert channel.read(40.0, after=1.0, host="h2") == BUSY
    channel.read(40.0, after=1.0, host="h1")
    assert channel.kinds() == FIRED_AND_RESOLVED


def test_a_series_makes_room_when_somebody_has_closed_the_alert_that_misses_it() -> None:
    channel = Watched(silent(), rule_series_max=1)
    channel.read(40.0, host="h1")
    assert channel.wait(FORGET_US / SECOND) == [EventKind.FIRED]
    channel.send(resolving(alert_id=channel.last().alert.id, by="ann"))
    assert channel.read(40.0, after=1.0, host="h2") == BELOW


def test_a_trigger_by_hand_for_a_rule_that_goes_on_stays() -> None:
    channel = Watched(a_rule())
    channel.send(Ring(rule_id="hot", title="by hand", labels={"host": "h9"}))
    channel.obey(a_rule(title="another", threshold=70.0))
    channel.send()
    assert channel.kinds() == [EventKind.FIRED]
