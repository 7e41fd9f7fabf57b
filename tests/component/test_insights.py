"""Insights of a whole engine, reckoned from its own readings and alerts."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.analytics import insight_reading
from engine.analytics.hours import pages_of_hours
from protocol.errors import BadRequest, UnknownChannel
from protocol.insights import Because
from protocol.items import ReadingInput, TriggerInput
from tests.support.insights import ANN, DAY_US, MINUTE_US, WORKSPACE, Bench, an_insight_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with an_insight_bench(tmp_path) as bench:
        yield bench


async def test_a_framework_is_scored_by_its_alerts_and_by_how_near_its_readings_came(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    page = await bench.verbs.page(ANN, None, None, 50)
    (one,) = page.items
    assert (page.day, one.framework_id, page.next_cursor) == ("2026-01-31", "web", None)
    assert one.health is not None and one.risk is not None and one.health < 80.0 and one.risk > 50.0
    told = {each.because: each for each in one.pulled_down}
    assert told[Because.STRAIN].text == "came to 107% of its rule's threshold"
    assert told[Because.ALERTS].source == "cpu" and len(told[Because.ALERTS].alert_ids) == 3
    sides = {side.category.value: side.health for side in one.categories}
    assert sides["performance"] is not None and [*sides.values()].count(None) == 4
    assert [trend.note for trend in one.trends] == [
        "needs scores of 3 days, has 0",
        "needs scores of 12 days, has 0",
    ]


async def test_noise_does_not_cost_health(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    before = (await bench.verbs.get(ANN, "web")).insight.health
    await bench.mark()
    await bench.run()
    after = (await bench.verbs.get(ANN, "web")).insight.health
    assert before is not None and after is not None and after > before


async def test_a_framework_without_data_is_unknown_and_says_what_it_lacks(bench: Bench) -> None:
    await bench.engine.shelves.frameworks.create(ANN, {"id": "quiet"})
    run = await bench.run()
    assert (run.frameworks, run.unknown) == (2, 2)
    one = (await bench.verbs.get(ANN, "quiet")).insight
    assert (one.health, one.risk) == (None, None)
    assert one.note == "nothing is known of it: it had no alerts in 14 days, and no readings in one"
    assert one.trends[0].note == "nothing is known of it today"


async def test_scores_of_each_day_are_kept_and_make_a_trend(bench: Bench) -> None:
    for day in range(4):
        if day == 3:
            await bench.spikes(2)
        else:
            await bench.engine.service.read(ANN, [ReadingInput(framework_id="web", metric="cpu", value=1.0)])
            await bench.engine._up.store.roll_up()
        await bench.run()
        bench.now[0] += DAY_US
    bench.now[0] -= DAY_US
    await bench.run()
    found = await bench.verbs.get(ANN, "web")
    assert [score.day for score in found.scores] == [
        "2026-02-03",
        "2026-02-02",
        "2026-02-01",
        "2026-01-31",
    ]
    assert [score.health for score in found.scores[1:]] == [100.0] * 3
    week, month = found.insight.trends
    assert week.change is not None and week.change == round((found.insight.health or 0) - 100.0, 1) < 0
    assert month.note == "needs scores of 12 days, has 3"


async def test_scores_go_back_thirty_days_also_where_the_engine_did_not_look_each_day(bench: Bench) -> None:
    for days in (10, 21, 9, 0):
        await bench.run()
        bench.now[0] += days * DAY_US
    found = await bench.verbs.get(ANN, "web")
    assert [score.day for score in found.scores] == ["2026-03-12", "2026-03-03", "2026-02-10"]


async def test_one_asks_for_a_day_and_for_nothing_that_is_none(bench: Bench) -> None:
    nothing = await bench.verbs.page(ANN, None, None, 50)
    assert (nothing.day, nothing.items, nothing.next_cursor) == (None, [], None)
    await bench.run()
    assert (await bench.verbs.page(ANN, "2026-01-31", None, 50)).items
    other = await bench.verbs.page(ANN, "2026-01-30", None, 50)
    assert (other.day, other.items) == ("2026-01-30", [])
    with pytest.raises(BadRequest, match="day: 'monday' is no day"):
        await bench.verbs.page(ANN, "monday", None, 50)
    with pytest.raises(UnknownChannel, match="there is no insight of this framework yet"):
        await bench.verbs.get(ANN, "db")


async def test_the_nightly_job_makes_a_job_for_each_workspace(bench: Bench) -> None:
    await bench.engine.service.trigger(ANN, [TriggerInput(framework_id="web")])
    schedule = bench.insights.runs.schedule()
    assert (schedule.name, schedule.cron.line) == ("insight-generation", "0 4 * * *")
    job: Any = None
    args: Any = msgspec.convert({"since": 0, "until": bench.now[0]}, schedule.kind.args)
    started: Any = await schedule.kind.run(job, args)
    assert started.result.workspaces == 1
    reckoned: Any = await bench.insights.runs.kind.run(
        job, msgspec.convert({"of": WORKSPACE, "until": bench.now[0] + MINUTE_US}, bench.insights.runs.kind.args)
    )
    assert (reckoned.result.frameworks, reckoned.result.alerts) == (1, 1)


async def test_all_series_are_asked_for_those_that_have_news(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insight_reading, "SERIES_AT_ONCE", 2)
    for host in ("h1", "h2", "h3"):
        over = ReadingInput(framework_id="web", metric="disk", value=1.0, labels={"host": host})
        await bench.engine.service.read(ANN, [over])
    bench.now[0] += 2 * DAY_US
    await bench.spikes(1)
    await bench.run()
    assert (await bench.verbs.get(ANN, "web")).insight.health is not None
    monkeypatch.setattr(insight_reading, "SERIES_PAGES_MAX", 1)
    await bench.run()
    assert (await bench.verbs.get(ANN, "web")).insight.note == "series were left out, limit 2"


async def test_hours_that_are_too_many_are_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.spikes(4)
    one_at_once = functools.partial(pages_of_hours, at_once=1)
    monkeypatch.setattr(insight_reading, "pages_of_hours", one_at_once)
    monkeypatch.setattr(insight_reading, "HOURS_MAX", 1)
    await bench.run()
    assert (await bench.verbs.get(ANN, "web")).insight.note == "hours of cpu were left out, limit 1 a metric"
    assert bench.insights.statistics()["left_out"] == 1
    monkeypatch.setattr(insight_reading, "HOURS_IN_ALL_MAX", 1)
    await bench.run()
    assert (await bench.verbs.get(ANN, "web")).insight.note == "hours of cpu were left out, limit 1 a workspace"


async def test_a_framework_that_was_put_away_is_scored_no_more(bench: Bench) -> None:
    await bench.spikes()
    run = await bench.run()
    assert (run.frameworks, run.tried) == (1, 1)
    await bench.engine.shelves.frameworks.archive(ANN, "web", is_archived=True)
    run = await bench.run()
    assert (run.frameworks, run.tried) == (0, 0)
