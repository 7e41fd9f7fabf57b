"""Predictions, from stored readings and alerts to findings, scored when their time has come: on every store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import trio

from engine.analytics import count_worker, prediction_worker
from engine.analytics.daily_alerts import AlertDays
from engine.analytics.predicting import Predictor
from engine.analytics.prediction_findings import PREDICTION, prediction_of
from engine.analytics.prediction_jobs import prediction_schedules
from engine.analytics.prediction_reading import count_tasks
from engine.analytics.prediction_scoring import PredictionScorer
from engine.analytics.prediction_tasks import CountTask, RuleTask, Task
from engine.computing.asking import Asking
from engine.computing.processes import ComputingFailedError, Processes
from engine.core.analytics.accuracy import lead_s
from engine.jobs.scheduler import RunArgs
from engine.stores import Store
from engine.stores.findings import Finding, FindingQuery
from engine.verbs.predictions import PredictionVerbs, leads_of_rules
from protocol.errors import BadRequest, PermissionDenied, UnknownChannel
from protocol.model import NEVER_EXPIRES, ChannelKey, Principal
from protocol.predictions import Breach, Count, Prediction, PredictionKind, PredictionState
from protocol.readings import LoggedSeries
from protocol.rules import Rule, ThresholdRule
from protocol.times import SECOND_US, rfc3339
from tests.support.stores import FOREIGN, KEY, NOW, StoreFactory, a_commit, a_row, an_alert, committed
from tests.unit.test_store_readings import log

HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
DAYS = 20
START = NOW + DAYS * DAY_US
HOT = ThresholdRule(id="hot", framework=KEY.framework, metric="cpu", threshold=85.0)
CALM = ThresholdRule(id="calm", framework=KEY.framework, metric="cpu", threshold=500.0, match={"host": "a"})
NEW = ThresholdRule(id="new", framework=KEY.framework, metric="disk", threshold=90.0)
ANN = Principal(workspace=KEY.workspace, user="ann", role="viewer", expires_at=NEVER_EXPIRES)


class Here:
    """Processes that are none: what they would compute is computed here. `fails`: those tasks, by rule, end badly."""

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.tasks: list[Task] = []
        self.counted: list[int] = []

    async def compute(self, module: str, task: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        if module == count_worker.__name__:
            self.counted.append(len(msgspec.msgpack.decode(task, type=list[Task])))
            return count_worker.compute(task)
        assert module == prediction_worker.__name__
        decoded = msgspec.msgpack.decode(task, type=Task)
        self.tasks.append(decoded)
        if {each.rule.id for each in decoded.rules} & set(self.fails):
            raise ComputingFailedError("out of memory")
        return prediction_worker.compute(task)


def load(hour: int) -> float:
    """Peaks of about 90 each afternoon, never twice the same."""
    return 60 + 30 * math.sin((hour % 24 - 9) / 24 * math.tau) + hour * 7 % 5


async def measured(store: Store, hours: Sequence[int], seq: int = 1, **values: float) -> None:
    """A reading each hour of two series of `cpu`, and of one of `disk` for the last three days."""
    series = (
        LoggedSeries(1, "cpu", {"host": "a"}),
        LoggedSeries(2, "cpu", {"host": "a", "zone": "x"}),
        LoggedSeries(3, "disk", {}),
    )
    readings = []
    for hour in hours:
        at = NOW + hour * HOUR_US
        readings += [(1, at, values.get("cpu", load(hour))), (2, at, 10.0 + hour % 3)]
        readings += [(3, at, 50.0)] if hour >= DAYS * 24 - 72 else []
    await committed(store, log(seq, *readings, series=series if seq == 1 else ()))
    await store.roll_up()


async def rang(store: Store, days: Sequence[int], a_day: int = 3, key: ChannelKey = KEY) -> None:
    """Alerts on these days: two of three of the rule `hot`."""
    rows = []
    for day in days:
        for number in range(a_day):
            at = NOW + day * DAY_US + (number + 1) * HOUR_US
            alert = an_alert(
                id=_id(at, number),
                triggered_at=rfc3339(at),
                rule_id="hot" if number % 3 else None,
                framework_id=key.framework,
            )
            rows.append(a_row(alert))
    commit = a_commit(key, rows=0, at=NOW)
    decision = msgspec.structs.replace(commit.decision, rows=tuple(rows))
    await committed(store, msgspec.structs.replace(commit, decision=decision))
    while (await store.count_alerts(100, ahead_us=100 * DAY_US)).hours:
        pass


def _id(at: int, number: int) -> str:
    from tests.support.stores import new_id

    return new_id(at)


def predictor(store: Store, now: int, rules: Sequence[Rule] = (HOT, CALM, NEW), here: Here | None = None) -> Predictor:
    processes: Any = here or Here()
    asking = Asking(store, None, processes)
    return Predictor(store, lambda: [(KEY.workspace, rule) for rule in rules], asking, lambda: now)


async def kept(store: Store, workspace: str = KEY.workspace, **query: Any) -> list[Prediction]:
    page = await store.findings(FindingQuery(workspace=workspace, kind=PREDICTION, limit=500, **query))
    return [prediction_of(finding) for finding in page.items]


async def test_each_series_of_a_rule_has_its_next_breach_and_what_cannot_be_told_says_why(
    factory: StoreFactory,
) -> None:
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        done = await predictor(store, START + 60 * SECOND_US).predict()
        assert (done.made, done.refused, done.left_out, done.failed) == (4, 1, 0, 0)
        found = {(each.rule_id, str(each.forecast.labels)): each for each in await kept(store, states=("open",))
                 if isinstance(each.forecast, Breach)}  # fmt: skip
        hot = found["hot", "{'host': 'a'}"]
        assert isinstance(hot.forecast, Breach)
        assert hot.forecast.probability > 0.9
        assert hot.forecast.expected_at is not None
        assert rfc3339(START + 11 * HOUR_US) <= hot.forecast.expected_at <= rfc3339(START + 15 * HOUR_US)
        assert (hot.since, hot.until) == (rfc3339(START), rfc3339(START + DAY_US))
        assert [hour.at for hour in hot.forecast.hours] == [rfc3339(START + step * HOUR_US) for step in range(24)]
        calm = found["calm", "{'host': 'a'}"]
        assert isinstance(calm.forecast, Breach)
        assert calm.forecast.probability < 0.1
        (refused,) = await kept(store, states=("refused",))
        assert (refused.rule_id, refused.reason, refused.last_id) == ("new", "needs 14 days, has 3", None)


async def test_who_predicts_twice_keeps_one(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        for minutes in (1, 2):
            await predictor(store, START + minutes * 60 * SECOND_US).predict()
        found = await kept(store)
        assert len(found) == 5
        assert {each.made_at for each in found} == {rfc3339(START + 120 * SECOND_US)}


async def test_tomorrows_alerts_are_told_of_everything_each_framework_and_each_rule(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await rang(store, range(DAYS))
        await predictor(store, START + HOUR_US, rules=()).predict()
        found = {(each.framework_id, each.rule_id): each for each in await kept(store)}
        assert found.keys() == {(None, None), (KEY.framework, None), (KEY.framework, "hot")}
        for place, alerts in (((None, None), 3), ((KEY.framework, None), 3), ((KEY.framework, "hot"), 2)):
            forecast = found[place].forecast
            assert isinstance(forecast, Count)
            assert forecast.expected == pytest.approx(alerts, rel=0.2)
            assert forecast.low <= alerts <= forecast.high
            assert (found[place].since, found[place].until) == (rfc3339(START + DAY_US), rfc3339(START + 2 * DAY_US))


async def test_where_nothing_rings_nothing_is_computed(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await rang(store, range(DAYS))
        here = Here()
        done = await predictor(store, START + 60 * DAY_US, rules=(), here=here).predict()
        assert (done.made, done.refused, here.tasks, here.counted) == (0, 0, [], [])


async def test_a_workspace_of_three_days_needs_more(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await rang(store, range(DAYS - 3, DAYS))
        await predictor(store, START, rules=()).predict()
        assert {each.reason for each in await kept(store)} == {"needs 14 days, has 3"}


async def test_a_breach_is_scored_when_its_time_has_passed_by_the_readings_of_then(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        await predictor(store, START).predict()
        await measured(store, range(DAYS * 24, DAYS * 24 + 24), seq=2)
        early = await PredictionScorer(store, AlertDays(store), lambda: START + DAY_US).score()
        assert (early.scored, early.unscored) == (0, 0)
        scorer = PredictionScorer(store, AlertDays(store), lambda: START + DAY_US + 2 * HOUR_US)
        done = await scorer.score()
        assert (done.scored, done.unscored) == (4, 0)
        hot = next(
            each for each in await kept(store, rule_id="hot", states=("scored",))
            if isinstance(each.forecast, Breach) and each.forecast.labels == {"host": "a"}
        )  # fmt: skip
        assert hot.outcome is not None
        assert hot.outcome.happened
        assert hot.outcome.at == rfc3339(START + 12 * HOUR_US)
        assert hot.outcome.lead_s == 12 * 3_600
        assert hot.outcome.points == 24
        assert hot.outcome.off < 0.1 * hot.outcome.total
        leads = await leads_of_rules(store, KEY.workspace, None, START, START + DAY_US)
        assert lead_s(leads["hot"]) == 12.5 * 3_600, "by the hour"
        assert lead_s(leads["calm"]) is None, "it was never reached"
        assert await leads_of_rules(store, KEY.workspace, ("other",), START, START + DAY_US) == {}
        assert await leads_of_rules(store, KEY.workspace, None, START - DAY_US, START) == {}
        again = await scorer.score()
        assert (again.scored, again.unscored) == (0, 0)
        assert (await predictor(store, START).predict()).made == 4
        assert {each.state for each in await kept(store, rule_id="hot")} == {PredictionState.SCORED}


async def test_one_that_cannot_be_read_is_put_off_and_the_others_are_scored(factory: StoreFactory) -> None:
    async with factory.open() as store:
        broken = Finding(
            workspace=KEY.workspace, kind=PREDICTION, key="broken", state="open", at=START, due=START, updated_at=START,
            body="{}",
        )  # fmt: skip
        await store.put_findings([broken])
        await measured(store, range(DAYS * 24))
        await predictor(store, START, rules=[CALM]).predict()
        now = START + 3 * DAY_US
        done = await PredictionScorer(store, AlertDays(store), lambda: now).score()
        assert (done.scored, done.unscored) == (0, 2)
        assert [each.key for each in await store.due_findings(PREDICTION, now + DAY_US, 10)] == ["broken"]


async def test_what_was_not_measured_is_not_scored(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        await predictor(store, START, rules=[CALM]).predict()
        done = await PredictionScorer(store, AlertDays(store), lambda: START + 3 * DAY_US).score()
        assert (done.scored, done.unscored) == (0, 2)
        assert {each.reason for each in await kept(store)} == {"measured in 0 of 24 hours"}
        report = await PredictionVerbs(store, lambda: START + 3 * DAY_US).accuracy(ANN)
        assert report.unscored == 2


async def test_accuracy_adds_up_days_and_is_told_of_everything_a_framework_or_a_rule(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await rang(store, range(DAYS + 4))
        for day in range(3):
            await predictor(store, START + day * DAY_US, rules=()).predict()
        await PredictionScorer(store, AlertDays(store), lambda: START + 5 * DAY_US).score()
        verbs = PredictionVerbs(store, lambda: START + 5 * DAY_US)
        for asked, scored in (({}, 9), ({"framework": KEY.framework}, 6), ({"rule_id": "hot"}, 3)):
            report = await verbs.accuracy(ANN, **asked)
            (counts,) = report.kinds
            assert (counts.kind, counts.scored) == (PredictionKind.COUNT, scored), asked
            assert counts.coverage_percent == 100.0
            assert (counts.warned, counts.missed, counts.false_alarms) == (scored, 0, 0)
            assert counts.wape_percent is not None
            assert counts.wape_percent < 20
        limited = msgspec.structs.replace(ANN, channels=(KEY.framework,))
        assert (await verbs.accuracy(limited)).kinds[0].scored == 6
        assert (await verbs.accuracy(msgspec.structs.replace(ANN, channels=("other",)))).kinds == []
        assert (await verbs.accuracy(ANN, until_us=START)).kinds == []


async def test_accuracy_is_of_so_many_days_at_most() -> None:
    from engine.stores import open_store

    async with open_store("memory:") as store:
        verbs = PredictionVerbs(store, lambda: START)
        for times in ({"since_us": START}, {"since_us": START - 91 * DAY_US}):
            with pytest.raises(BadRequest, match="90 days at most"):
                await verbs.accuracy(ANN, **times)


async def test_who_is_limited_sees_what_is_of_his_frameworks(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await rang(store, range(DAYS))
        await predictor(store, START, rules=()).predict()
        verbs = PredictionVerbs(store, lambda: START)
        limited = msgspec.structs.replace(ANN, channels=(KEY.framework,))
        everything = (await verbs.predictions(ANN)).items
        his = (await verbs.predictions(limited)).items
        assert (len(everything), len(his)) == (3, 2)
        whole = next(each for each in everything if each.framework_id is None)
        assert await verbs.prediction(ANN, whole.id) == whole
        for who in (limited, msgspec.structs.replace(ANN, workspace=FOREIGN.workspace)):
            with pytest.raises(UnknownChannel):
                await verbs.prediction(who, whole.id)
        with pytest.raises(PermissionDenied):
            await verbs.predictions(limited, framework="other")
        with pytest.raises(PermissionDenied):
            await verbs.predictions(msgspec.structs.replace(ANN, role="nobody"))


async def test_a_list_is_of_what_was_asked_for(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        await rang(store, range(DAYS))
        await predictor(store, START).predict()
        verbs = PredictionVerbs(store, lambda: START)

        async def count(**asked: Any) -> int:
            return len((await verbs.predictions(ANN, **asked)).items)

        assert await count() == 8
        assert await count(kinds=(PredictionKind.COUNT,)) == 3
        assert await count(rule_id="hot") == 3
        assert await count(framework=KEY.framework) == 7
        assert await count(states=(PredictionState.REFUSED,)) == 1
        assert await count(since_us=START + DAY_US) == 3
        assert await count(until_us=START) == 0
        first = await verbs.predictions(ANN, limit=5)
        rest = await verbs.predictions(ANN, cursor=first.next_cursor)
        assert len({each.id for each in [*first.items, *rest.items]}) == 8


async def test_what_fails_in_a_process_is_tried_alone_and_then_refused_with_the_last_one_kept(
    factory: StoreFactory,
) -> None:
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        await predictor(store, START - DAY_US, rules=[HOT]).predict()
        here = Here("hot")
        failing = predictor(store, START, rules=[HOT, CALM], here=here)
        done = await failing.predict()
        assert (done.made, done.refused, done.failed) == (2, 1, 1)
        assert [[each.rule.id for each in task.rules] for task in here.tasks[:3]] == [
            ["hot", "calm"],
            ["hot"],
            ["calm"],
        ]
        (refused,) = await kept(store, states=("refused",))
        last = await PredictionVerbs(store, lambda: START).prediction(ANN, refused.last_id or "")
        assert (last.rule_id, last.since) == ("hot", rfc3339(START - DAY_US))
        assert "the engine's log says why" in (refused.reason or "")
        await predictor(store, START, rules=[HOT]).predict()
        assert await kept(store, states=("refused",)) == []
        await failing.predict()
        (again,) = await kept(store, states=("refused",))
        assert again.id == refused.id


async def test_why_there_is_nothing_of_a_rule_is_forgotten_when_the_rule_is_gone(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        await predictor(store, START, rules=[NEW]).predict()
        assert [each.rule_id for each in await kept(store, states=("refused",))] == ["new"]
        await predictor(store, START, rules=[HOT]).predict()
        assert await kept(store, states=("refused",)) == []
        await predictor(store, START, rules=[NEW, HOT]).predict()
        assert [each.rule_id for each in await kept(store, states=("refused",))] == ["new"]


async def test_what_another_version_refused_in_its_own_words_ends_no_run(factory: StoreFactory) -> None:
    strange = Finding(
        workspace=KEY.workspace, kind=PREDICTION, key="strange", state="refused", sort="breach", rule_id="gone",
        at=START, updated_at=START, body="{}",
    )  # fmt: skip
    async with factory.open() as store:
        await store.put_findings([strange])
        await rang(store, range(DAYS))
        assert (await predictor(store, START, rules=()).predict()).made > 0


async def test_counts_that_fail_in_a_process_are_counted_and_left_as_they_were(factory: StoreFactory) -> None:
    class Ends(Here):
        async def compute(self, module: str, task: bytes) -> bytes:
            await trio.lowlevel.checkpoint()
            raise ComputingFailedError("killed")

    async with factory.open() as store:
        await rang(store, range(DAYS))
        done = await predictor(store, START, rules=(), here=Ends()).predict()
        assert (done.made, done.failed) == (0, 1)
        assert await kept(store) == []


async def test_one_process_counts_several_workspaces_and_each_keeps_its_own(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.analytics.predicting.WORKSPACES_AT_ONCE", 2)
    names = ["acme", "globex", "umbrella"]
    async with factory.open() as store:
        for a_day, name in enumerate(names, 1):
            await rang(store, range(DAYS), a_day, key=ChannelKey(name, KEY.framework))
        here = Here()
        done = await predictor(store, START, rules=(), here=here).predict()
        assert (here.counted, done.failed) == ([2, 1], 0)
        for a_day, name in enumerate(names, 1):
            (whole,) = [each.forecast for each in await kept(store, name) if each.framework_id is None]
            assert isinstance(whole, Count)
            assert whole.expected == pytest.approx(a_day, abs=0.2)


async def test_a_workspace_that_fails_takes_no_other_with_it(factory: StoreFactory) -> None:
    class Picky(Here):
        async def compute(self, module: str, task: bytes) -> bytes:
            answer = await super().compute(module, task)
            if any(each.counts[0].counts[-1] == 2 for each in msgspec.msgpack.decode(task, type=list[Task])):
                raise ComputingFailedError("out of memory")
            return answer

    async with factory.open() as store:
        for a_day, name in enumerate(("acme", "globex", "umbrella"), 1):
            await rang(store, range(DAYS), a_day, key=ChannelKey(name, KEY.framework))
        here = Picky()
        done = await predictor(store, START, rules=(), here=here).predict()
        assert (here.counted, done.failed) == ([3, 1, 1, 1], 1)
        assert [bool(await kept(store, name)) for name in ("acme", "globex", "umbrella")] == [True, False, True]


async def test_rules_that_are_off_or_cannot_be_predicted_are_not_read_for(factory: StoreFactory) -> None:
    off, rate = msgspec.structs.replace(HOT, enabled=False), msgspec.structs.replace(HOT, id="q", upper=99.0)
    between = msgspec.structs.replace(rate, comparison=msgspec.convert("between", type(HOT.comparison)))
    async with factory.open() as store:
        await measured(store, range(DAYS * 24))
        here = Here()
        done = await predictor(store, START, rules=[off, between], here=here).predict()
        assert (done.made, done.refused) == (0, 1)
        assert [len(each.pages) for each in here.tasks[0].rules] == [0]


def test_of_many_rules_those_that_rang_most_have_counts_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.analytics.prediction_reading.COUNTED_RULES_MAX", 2)
    rows = [("web", f"r{number}", 100 + day, number + 1) for number in range(4) for day in range(3)]
    tasks, left_out = count_tasks(rows, 103)
    assert left_out == 2
    assert [(task.framework, task.rule_id, sum(task.counts)) for task in tasks] == [
        (None, None, 30), ("web", None, 30), ("web", "r3", 12), ("web", "r2", 9),
    ]  # fmt: skip


def test_of_many_series_those_with_the_most_readings_are_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.analytics.prediction_worker.SERIES_MAX", 1)
    points = [
        {"at": rfc3339(START - hour * HOUR_US), "labels": {"host": host}, "value": 1.0, "count": 1, "min": 1.0,
         "max": 1.0, "sum": 1.0, "last": 1.0}
        for host, hours in (("a", 15 * 24), ("b", 16 * 24)) for hour in range(1, hours + 1)
    ]  # fmt: skip
    task = RuleTask(HOT, (msgspec.json.encode(points),))
    made = prediction_worker.work(Task(START, (task,)))
    assert made.left_out == 1
    (prediction,) = made.predictions
    assert isinstance(prediction.forecast, Breach)
    assert prediction.forecast.labels == {"host": "b"}


async def test_a_real_process_answers_what_the_worker_says() -> None:
    task = Task(START, counts=(CountTask("web", None, [3] * 20),))
    packed = msgspec.msgpack.encode(task)
    assert await Processes(1).compute(prediction_worker.__name__, packed) == prediction_worker.compute(packed)
    packed = msgspec.msgpack.encode([task, task])
    assert await Processes(1).compute(count_worker.__name__, packed) == count_worker.compute(packed)


async def test_both_are_done_by_the_clock(factory: StoreFactory) -> None:
    async with factory.open() as store:
        scorer = PredictionScorer(store, AlertDays(store), lambda: START)
        counted: list[bool] = []

        async def count() -> None:
            counted.append(True)

        make, judge = prediction_schedules(predictor(store, START), scorer, count)
        assert (make.name, make.cron.line) == ("prediction-generation", "0 3 * * *")
        assert (judge.name, judge.cron.line) == ("prediction-scoring", "30 * * * *")
        args: Any = RunArgs(since=0, until=START)
        for schedule in (make, judge):
            result = await schedule.kind.run(None, args)  # type: ignore[arg-type]
            assert set(msgspec.to_builtins(result)["result"].values()) <= {0, 3}
        assert counted == [True, True], "what rang is counted before days are compared"


async def test_of_a_day_with_many_rules_the_rest_is_told_with_its_framework(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = NOW // DAY_US
    async with factory.open() as store:
        await rang(store, range(2))
        whole = await AlertDays(store).counts(KEY.workspace, day, day + 3)
        assert sorted(whole or (), key=str) == [
            (KEY.framework, "hot", day, 2), (KEY.framework, "hot", day + 1, 2),
            (KEY.framework, None, day, 1), (KEY.framework, None, day + 1, 1),
        ]  # fmt: skip
        monkeypatch.setattr("engine.analytics.daily_alerts.RULES_MAX", 0)
        assert await AlertDays(store).counts(KEY.workspace, day, day + 1) == [(KEY.framework, None, day, 3)]
        assert await AlertDays(store).counts("nobodys", day, day + 1) == []


class NotYet:
    """A store whose alerts from before there were counts are still to be counted."""

    def __init__(self, store: Store) -> None:
        pass

    async def counts(self, workspace: str, since_day: int, until_day: int) -> None:
        await trio.lowlevel.checkpoint()


async def test_alerts_that_are_still_being_counted_are_not_guessed(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with factory.open() as store:
        await rang(store, range(DAYS + 3))
        with monkeypatch.context() as patched:
            patched.setattr("engine.analytics.prediction_reading.AlertDays", NotYet)
            assert (await predictor(store, START, rules=()).predict()).refused == 1
        (refused,) = await kept(store)
        assert "still being counted" in (refused.reason or "")
        await predictor(store, START, rules=()).predict()
        assert await kept(store, states=("refused",)) == []
        later = START + 3 * DAY_US
        done = await PredictionScorer(store, NotYet(store), lambda: later).score()
        assert (done.scored, done.unscored) == (0, 0)
        assert await store.due_findings(PREDICTION, later, 10) == []
        assert (await PredictionScorer(store, AlertDays(store), lambda: later + 2 * HOUR_US).score()).scored == 3


async def test_a_run_that_is_cancelled_between_two_workspaces_leaves_nothing_open(factory: StoreFactory) -> None:
    # What is left open is told by a ResourceWarning, and a warning is an error here.
    async with factory.open() as store:
        await rang(store, range(DAYS))
        with trio.CancelScope() as scope:

            def clock() -> int:
                scope.cancel()
                return START

            processes: Any = Here()
            await Predictor(store, lambda: [], Asking(store, None, processes), clock).predict()
        assert scope.cancelled_caught
        assert await kept(store) == []
