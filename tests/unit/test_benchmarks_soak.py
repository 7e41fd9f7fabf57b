"""The soak's judgement: what counts as left behind, as lost, and as nothing shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import soak
from benchmarks.company import Begin, Company, Story
from benchmarks.control import BenchmarkError
from benchmarks.dial import Target
from benchmarks.measure import Verdict
from benchmarks.procfs import Usage
from benchmarks.report import Figures, make_report
from benchmarks.soak import Inventory, Samples
from benchmarks.wire import Heard
from protocol.stream import Follower

TARGET = Target(host="127.0.0.1", port=1)
EPOCH = "e1"


def a_company() -> Company:
    return Company(Begin(steady=TARGET, noisy=TARGET, producer=TARGET, noise="n", seed=1))


def alert(offset: int, prev: int) -> Heard:
    return Heard(type="alert", epoch=EPOCH, offset=offset, prev=prev)


# ---- those who come and go


def test_a_churner_that_gets_everything_in_order_has_nothing_to_complain_about():
    company, follower = a_company(), Follower()
    company._note(follower, Heard(type="subscribed", epoch=EPOCH, offset=4), False)
    for message in (alert(5, 4), alert(6, 5), Heard(type="position", epoch=EPOCH, offset=6), alert(7, 6)):
        company._note(follower, message, False)
    company._note(follower, Heard(type="subscribed", epoch=EPOCH, offset=9, recovered=True), True)
    company._note(follower, alert(8, 7), True)
    assert company.story == Story(recovered=1)
    assert follower.offset == 8


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (alert(7, 6), Verdict(missing=1)),
        (alert(5, 4), Verdict(duplicated=1)),
        (Heard(type="position", epoch=EPOCH, offset=6), Verdict(missing=1)),
        (Heard(type="gap", epoch=EPOCH, prev=5, to=7), Verdict(missing=1)),
        (Heard(type="subscribed", epoch=EPOCH, offset=9, reason="trimmed"), Verdict(missing=1)),
    ],
    ids=["gap", "repetition", "false silence", "told gap", "not recovered"],
)
def test_what_a_churner_misses_or_hears_twice_is_counted_once(message: Heard, verdict: Verdict):
    company, follower = a_company(), Follower(EPOCH, 5)
    company._note(follower, message, True)
    company._note(follower, alert(follower.offset + 1, follower.offset), True)
    assert company.story.verdict == verdict
    assert len(company.story.complaints) == 1


@pytest.mark.parametrize("kind", ["error", "auth_failed"])
def test_a_well_behaved_client_that_is_refused_counts_as_cut_off(kind: str):
    company = a_company()
    company._note(Follower(), Heard(type=kind, message="no"), False)
    assert company.story.cut_off == 1


# ---- what is left behind


class Engine:
    """Answers with one inventory after the other, and with the last one for ever."""

    def __init__(self, *inventories: Inventory) -> None:
        self.child = SimpleNamespace(pid=1)
        self.inventories = list(inventories)
        self.looks = 0

    def metrics(self) -> dict[str, float]:
        self.looks += 1
        if len(self.inventories) > 1 and self.looks > 1:
            del self.inventories[0]
        return {"tocsin_tasks": float(self.inventories[0].tasks)}


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch):
    """Looks at these inventories, in a time that passes only while the soak waits."""
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr(soak.time, "monotonic", lambda: now.s)
    monkeypatch.setattr(soak.time, "sleep", lambda seconds: setattr(now, "s", now.s + seconds))

    def watched(*inventories: Inventory) -> Any:
        engine = Engine(*inventories)

        def usage(pid: int) -> Usage:
            current = engine.inventories[0]
            return Usage(cpu_s=0, rss_bytes=0, private_bytes=0, open_files=current.files, threads=current.threads)

        monkeypatch.setattr(soak, "usage", usage)
        return engine

    return watched


def test_before_the_long_act_it_waits_until_nothing_changes(watch):
    engine = watch(Inventory(9, 9, 9), Inventory(8, 9, 9), Inventory(8, 7, 4))
    assert soak.quiet(engine) == Inventory(8, 7, 4)


def test_after_it_waits_only_until_there_is_no_more_than_before(watch):
    engine = watch(Inventory(9, 9, 4), Inventory(8, 7, 4), Inventory(1, 1, 1))
    assert soak.quiet(engine, Inventory(8, 7, 4)) == Inventory(8, 7, 4)


def test_what_does_not_go_is_what_was_found_at_the_deadline(watch):
    engine = watch(Inventory(8, 8, 4))
    assert soak.quiet(engine, Inventory(8, 7, 4)) == Inventory(8, 8, 4)
    assert engine.looks <= soak.QUIET_DEADLINE_S / soak._LOOK_AGAIN_S + 2


def samples_of(kb_per_min: float, minutes: float) -> Samples:
    samples = Samples()
    for second in range(int(minutes * 60)):
        samples.add(second / 60, 40_000 + kb_per_min * second / 60 + (second % 7), [1.0, 2.0, float(second)])
    return samples


@pytest.mark.parametrize(("kb_per_min", "is_met"), [(0.0, True), (100.0, True), (300.0, False)])
def test_memory_may_not_grow_by_more_than_the_allocator_holds_back(kb_per_min: float, is_met: bool):
    figures = Figures()
    soak._tell(samples_of(kb_per_min, 10), 10, figures)
    report = make_report("soak", {}, figures, soak.CHECKS, [])
    [check] = report.checks
    assert check.figure == "memory_grown_kb"
    assert check.is_met is report.is_verified is is_met


def test_memory_of_a_short_soak_is_told_and_not_judged():
    figures = Figures()
    soak._tell(samples_of(5_000, 1), 1, figures)
    report = make_report("soak", {}, figures, soak.CHECKS, [])
    assert report.figures["memory_kb_per_min"] == pytest.approx(5_000, rel=0.01)
    assert report.checks == []
    assert "judged from 5 minutes on" in report.warnings[0]


def test_each_minute_has_its_own_p99():
    figures = Figures()
    soak._tell(samples_of(0, 3), 3, figures)
    ranges = figures.ranges()
    assert [ranges[f"minute_0{n}_p99_ms"].median for n in (1, 2, 3)] == [58.0, 118.0, 178.0]


def test_a_soak_without_samples_shows_nothing():
    with pytest.raises(BenchmarkError, match="no trend"):
        soak._tell(samples_of(0, 0.05), 0.05, Figures())


def test_a_soak_to_which_somebody_did_not_come_shows_nothing():
    story = Story(recovered=1, slow=1, noise=1, deeds={"garbage": 3, "silence": 0})
    with pytest.raises(BenchmarkError, match=r"nobody came for \['silence'\]"):
        soak._judge(story, Figures())
    with pytest.raises(BenchmarkError, match="nobody came for some of it"):
        soak._judge(Story(deeds={"garbage": 3}), Figures())


def test_what_the_company_saw_is_part_of_the_verdict():
    figures = Figures()
    story = Story(
        Verdict(missing=2), cut_off=1, recovered=1, slow=1, noise=1, deeds={"garbage": 1}, complaints=["a gap"]
    )
    soak._judge(story, figures)
    report = make_report("soak", {}, figures, soak.CHECKS, [])
    assert report.verdict == Verdict(missing=2)
    assert report.warnings == ["a gap"]
    assert [check.is_met for check in report.checks] == [False]
