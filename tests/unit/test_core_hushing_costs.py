"""What it costs when orders change: whom of many alerts a decision looks at, and how many matchers it tries."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from engine.core.quieting import GLANCED_MAX, QuietWindow, QuietWindows
from engine.core.turn import ROWS_MAX, TESTS_MAX
from protocol.commands import Ring
from protocol.model import EventKind, QuietedBy
from protocol.quieting import Matcher, Operator, Silence
from tests.support.quieted import SECOND, Channel, silence


def test_under_new_orders_many_alerts_are_looked_at_as_decisions_have_room() -> None:
    channel = Channel(events_max=10)
    for number in range(25):
        channel.ring(dedup_key=str(number))
    assert len(channel.quiet(silence())) == 10
    assert channel.wait(0) == [EventKind.QUIETED] * 15


def test_no_decision_looks_at_more_than_it_has_time_for() -> None:
    channel = Channel(events_max=10_000)
    channel.send(*(Ring(title="other", dedup_key=str(number)) for number in range(ROWS_MAX + 1)))
    channel.quiet(silence())
    assert channel.machine.next_due() == 0
    channel.send()
    assert channel.machine.next_due() != 0


def many(channel: Channel, count: int) -> None:
    """So many open alerts, that no matcher of these tests means."""
    channel.send(*(Ring(title="other", dedup_key=str(number)) for number in range(count)))


def expression(name: str, value: str) -> Silence:
    return replace(silence(name), matchers=(Matcher(name="alertname", operator=Operator.MATCHES, value=value),))


@pytest.fixture
def tests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The label values that were held against a window, one entry for each window."""
    seen: list[str] = []
    really = QuietWindow.means

    def means(window: QuietWindow, labels: Mapping[str, str]) -> bool:
        seen.append(labels["alertname"])
        return really(window, labels)

    monkeypatch.setattr(QuietWindow, "means", means)
    return seen


def test_one_more_silence_costs_each_open_alert_one_test_however_many_there_are(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 100)
    former = [expression(f"s{number}", f"web-{number}-.*") for number in range(50)]
    channel.quiet(*former)
    channel.wait(0)
    tests.clear()
    assert channel.quiet(*former, expression("more", "web-x-.*")) == []
    channel.wait(0)
    assert len(tests) == 100


def of_host(name: str, host: str) -> Silence:
    return replace(silence(name), matchers=(Matcher(name="host", value=host),))


def test_alerts_are_only_glanced_at_for_a_silence_of_other_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    really = QuietWindows.concerning

    def concerning(windows: QuietWindows, labels: Mapping[str, str]) -> list[QuietWindow]:
        asked.append(labels.get("host", ""))
        return really(windows, labels)

    channel = Channel(events_max=10_000)
    channel.send(*(Ring(title="disk", labels={"host": f"h{number}"}) for number in range(20)))
    monkeypatch.setattr(QuietWindows, "concerning", concerning)
    assert channel.quiet(of_host("nobody", "h77")) == []
    assert asked == []
    # When it is meant it is asked, and marked.
    assert len(channel.quiet(of_host("nobody", "h77"), of_host("one", "h7"))) == 1
    assert set(asked) == {"h7"}


def test_a_change_of_very_many_silences_goes_by_the_alerts_labels() -> None:
    channel = Channel(events_max=10_000)
    channel.send(*(Ring(title="disk", labels={"host": f"h{number}"}) for number in range(20)))
    many_hosts = [of_host(f"s{number:02}", f"h{number}") for number in range(5, 5 + GLANCED_MAX + 1)]
    assert len(channel.quiet(*many_hosts)) == GLANCED_MAX + 1


def test_the_end_of_a_silence_that_meant_nothing_costs_no_test(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 100)
    stays = expression("stays", "web-.*")
    channel.quiet(stays, expression("goes", "api-.*"))
    channel.wait(0)
    tests.clear()
    assert channel.quiet(stays) == []
    assert (tests, channel.machine.next_due()) == ([], None)


def test_only_what_a_silence_meant_is_looked_at_when_it_is_taken_back(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 10)
    channel.ring()
    stays = expression("stays", "web-.*")
    assert channel.quiet(stays, silence()) == [EventKind.QUIETED]
    tests.clear()
    assert channel.quiet(stays) == [EventKind.REPEATED]
    assert tests == ["disk"]


def test_a_silence_that_comes_and_goes_before_everybody_was_looked_at_leaves_no_mark() -> None:
    channel = Channel(events_max=2)
    for number in range(5):
        channel.ring(dedup_key=str(number))
    channel.quiet(silence())
    channel.quiet()
    channel.wait(0)
    assert [row.alert.quieted_by for row in channel.rows.values()] == [None] * 5


def test_who_waits_to_be_looked_at_goes_before_those_who_were() -> None:
    channel = Channel(events_max=1)
    for number in range(3):
        channel.ring(dedup_key=str(number))
    for number in range(3):
        channel.quiet(silence(end=3_600 + number))
    assert {row.alert.quieted_by for row in channel.rows.values()} == {QuietedBy.SILENCED}


def test_no_decision_holds_more_matchers_against_alerts_than_it_has_time_for(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    many(channel, 500)
    channel.quiet(*(expression(f"s{number}", f"web-{number}-.*") for number in range(50)))
    assert len(tests) == TESTS_MAX
    assert channel.machine.next_due() == 0
    channel.wait(0)
    assert len(tests) == 500 * 50


def test_many_alerts_that_time_may_let_ring_are_looked_at_as_decisions_have_time(tests: list[str]) -> None:
    channel = Channel(events_max=10_000)
    channel.quiet(silence(), *(expression(f"s{number}", f"web-{number}-.*") for number in range(99)))
    channel.send(*(Ring(title="disk", dedup_key=str(number)) for number in range(100)))
    channel.now += 3_600 * SECOND
    tests.clear()
    channel.send()
    assert len(tests) == TESTS_MAX
    assert len(channel.wait(0)) == 80


def test_one_that_is_over_before_it_was_looked_at_is_passed_over() -> None:
    channel = Channel(events_max=1)
    first, second = channel.ring(dedup_key="1"), channel.ring(dedup_key="2")
    assert channel.quiet(silence()) == [EventKind.QUIETED]
    channel.resolve(second if channel.events[-1].alert.id == first.alert_id else first)
    assert channel.wait(0) == []
