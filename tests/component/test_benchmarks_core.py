"""The micro benchmarks: they time what they say, and leave the collector as they found it."""

from __future__ import annotations

import gc

import msgspec
import pytest

import benchmarks
from benchmarks import core
from benchmarks.options import Options
from engine.core.channel import ChannelMachine
from protocol.commands import Batch
from protocol.effects import Decision
from protocol.model import Reason


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons of all that the machine decides."""
    seen: list[str] = []
    decide = ChannelMachine.decide

    def noted(self: ChannelMachine, batch: Batch) -> Decision:
        decision = decide(self, batch)
        seen.extend(result.reason.value for result in decision.results)
        return decision

    monkeypatch.setattr(ChannelMachine, "decide", noted)
    return seen


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("decide_fired", {Reason.FIRED.value}),
        ("decide_suppressed", {Reason.DUPLICATE.value}),
        ("decide_reading", {Reason.BELOW_THRESHOLD.value}),
        ("decide_rules", {Reason.BELOW_THRESHOLD.value}),
        ("decide_mean", {Reason.BELOW_THRESHOLD.value}),
        ("decide_percentile", {Reason.BELOW_THRESHOLD.value}),
        ("decide_burn", {Reason.BELOW_THRESHOLD.value}),
    ],
)
def test_each_decision_is_the_one_that_it_is_called_after(reasons: list[str], name: str, wanted: set[str]):
    work = next(case for case in core.CASES if case.name == name).make(1_000)
    reasons.clear()
    work()
    assert len(reasons) == 1_000
    assert set(reasons) == wanted


def test_each_figure_is_told_as_time_and_as_speed(capsys):
    assert benchmarks.main(["core", "--short", "--runs", "1", "--json"]) == 0
    figures = msgspec.json.decode(capsys.readouterr().out)["figures"]
    for case in core.CASES:
        assert figures[f"{case.name}_us"] * figures[f"{case.name}_per_s"] == pytest.approx(1e6, rel=0.01)
    assert not {"missing", "duplicated", "reordered"} & figures.keys(), "nothing is sent, so nothing arrives"
    assert core.run(Options(short=True, runs=1)).plotted[0] == ("decide_fired_us", "decide: a new alert (µs)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["core", "--clients", "5"], "--clients means nothing to core: it is for fanout, burst"),
        (["core", "--verify"], "--verify means nothing to core"),
        (["burst", "--idle", "5"], "--idle means nothing to burst: it is for fanout"),
        (["fanout", "--minutes", "1"], "--minutes means nothing to fanout: it is for soak"),
    ],
)
def test_an_option_that_means_nothing_to_a_scenario_is_refused(arguments: list[str], said: str, capsys):
    with pytest.raises(SystemExit, match="2"):
        benchmarks.main(arguments)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_while_something_is_timed_and_then_as_it_was(enabled: bool):
    before, seen = gc.isenabled(), []
    try:
        (gc.enable if enabled else gc.disable)()
        assert core.timed_ns(lambda: seen.append(gc.isenabled())) > 0
        assert (seen, gc.isenabled()) == ([False], enabled)
    finally:
        (gc.enable if before else gc.disable)()
