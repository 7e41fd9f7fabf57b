"""Recommendations of a whole engine, made from its own readings and alerts: promised, decided, out of date, gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.access.audit import AuditTrail, TrailWanted
from engine.analytics.insight_tasks import Look, Try
from engine.computing.processes import ComputingFailedError
from engine.core.analytics.recommending import OUTDATED
from engine.verbs.insights import RecommendationsWanted
from protocol.errors import Conflict, PermissionDenied, UnknownChannel
from protocol.insights import Basis, Measure, RecommendationState
from protocol.items import TriggerInput
from protocol.times import parse_rfc3339
from tests.support.insights import ANN, DAY_US, MINUTE_US, WORKSPACE, Bench, an_insight_bench, who


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with an_insight_bench(tmp_path) as bench:
        yield bench


async def test_what_is_applied_does_in_the_engines_own_backtest_exactly_what_was_promised(bench: Bench) -> None:
    await bench.spikes()
    run = await bench.run()
    assert (run.frameworks, run.unknown, run.alerts, run.tried, run.is_cut) == (1, 0, 14, 1, False)
    assert bench.insights.statistics()["processes_started"] == 2, "one that looks, and one that tries the rule"
    one = (await bench.open())[Measure.WAIT]
    assert (one.promise.basis, one.change, one.rule_id, one.cannot) == (Basis.READINGS, {"for_s": 300.0}, "cpu", None)
    before, after = one.promise.before, one.promise.after
    assert before.notified >= 28 > after.notified
    assert await bench.tried(one) == (before.fired, before.notified)
    applied = await bench.deciding.apply(ANN, one.id)
    assert (applied.state, applied.decided_by) == (RecommendationState.APPLIED, "ann")
    rule = await bench.engine.shelves.rules.get(ANN, "cpu")
    assert (rule.value.for_s, rule.version) == (300.0, 2)
    assert await bench.tried(one) == (after.fired, after.notified)


async def test_applying_and_dismissing_are_idempotent_on_record_and_counted(bench: Bench) -> None:
    await bench.spikes()
    await bench.mark()
    await bench.run()
    found = await bench.open()
    for _ in range(2):
        await bench.deciding.apply(ANN, found[Measure.WAIT].id, "192.0.2.1")
        gone = await bench.deciding.dismiss(ANN, found[Measure.SILENCE].id, "we need it", "192.0.2.1")
    assert (gone.state, gone.notes, gone.decided_by) == (RecommendationState.DISMISSED, "we need it", "ann")
    trail = await bench.engine.operators.acts(who("admin"), TrailWanted())
    lines = [(line.verb, line.by) for line in trail.items if line.address == "192.0.2.1"]
    assert lines == [("dismiss_recommendation", "ann"), ("change_rule", "ann")]
    assert bench.insights.statistics()["applied"] == bench.insights.statistics()["dismissed"] == 1
    with pytest.raises(Conflict, match="it was applied"):
        await bench.deciding.dismiss(ANN, found[Measure.WAIT].id)
    with pytest.raises(Conflict, match="it is dismissed"):
        await bench.deciding.apply(ANN, found[Measure.SILENCE].id)


async def test_a_rule_that_has_changed_since_is_left_as_it_is(bench: Bench) -> None:
    await bench.spikes()
    await bench.mark()
    await bench.run()
    found = await bench.open()
    await bench.engine.shelves.rules.patch(ANN, "cpu", {"threshold": 91.0}, None)
    for measure in (Measure.WAIT, Measure.SILENCE):
        with pytest.raises(Conflict, match="the rule has changed since this was tried"):
            await bench.deciding.apply(ANN, found[measure].id)
    await bench.engine.shelves.rules.delete(ANN, "cpu", None)
    for measure in (Measure.WAIT, Measure.SILENCE):
        with pytest.raises(Conflict, match="the rule is not there any more"):
            await bench.deciding.apply(ANN, found[measure].id)


async def test_the_others_of_a_rule_are_out_of_date_as_soon_as_one_is_applied(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    found = await bench.open()
    assert not any(one.is_outdated for one in found.values())
    await bench.deciding.apply(ANN, found[Measure.WAIT].id)
    others = await bench.open()
    assert others.keys() == found.keys() - {Measure.WAIT}
    assert {(one.is_outdated, one.cannot) for one in others.values()} == {(True, OUTDATED)}
    one = others[Measure.WIDEN_WINDOW]
    assert await bench.verbs.recommendation(ANN, one.id) == one
    shown = (await bench.verbs.get(ANN, "web")).recommendations
    assert [each.is_outdated for each in shown] == [True] * len(others)


async def test_a_change_by_hand_makes_them_out_of_date_and_the_next_run_tries_them_anew(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    before = await bench.open()
    await bench.engine.shelves.rules.patch(ANN, "cpu", {"title": "CPU is hot"}, None)
    assert all(one.is_outdated for one in (await bench.open()).values())
    await bench.run()
    after = await bench.open()
    assert after.keys() == before.keys()
    assert {(one.is_outdated, one.rule_version) for one in after.values()} == {(False, 2)}
    one = (await bench.listed(RecommendationState.GONE))[Measure.WAIT]
    assert (one.id, one.is_outdated) == (before[Measure.WAIT].id, False)


async def test_what_was_applied_comes_again_only_when_its_trouble_has_come_back(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    one = (await bench.open())[Measure.WIDEN_WINDOW]
    clicked = await bench.deciding.apply(ANN, one.id)
    for _ in range(2):
        bench.now[0] += DAY_US
        run = await bench.run()
        assert (run.alerts, run.tried, await bench.open()) == (14, 0, {})
    # Nothing is suppressed for a while, so as many alerts come as before.
    await bench.engine.shelves.rules.patch(ANN, "cpu", {"suppression_s": 0.0}, None)
    await bench.spikes()
    await bench.engine.shelves.rules.patch(ANN, "cpu", one.change, None)
    run = await bench.run()
    assert (run.alerts, run.tried) == (28, 1)
    again = (await bench.open())[Measure.WIDEN_WINDOW]
    assert again.was == one.change
    assert again.change["suppression_s"] > one.change["suppression_s"]
    assert again.promise.since == clicked.decided_at


@pytest.mark.parametrize("end", ["delete", "off", "archive", "framework"])
async def test_by_a_rule_that_rings_no_more_nothing_is_recommended(bench: Bench, end: str) -> None:
    await bench.spikes()
    await bench.mark()
    await bench.run()
    found, shelves = await bench.open(), bench.engine.shelves
    match end:
        case "delete":
            await shelves.rules.delete(ANN, "cpu", None)
        case "off":
            await shelves.rules.patch(ANN, "cpu", {"enabled": False}, None)
        case "archive":
            await shelves.rules.archive(ANN, "cpu", is_archived=True)
        case _:
            await shelves.frameworks.archive(ANN, "web", is_archived=True)
    assert await bench.open() == {}
    assert (await bench.listed(RecommendationState.GONE)).keys() == found.keys()
    assert {one.state for one in (await bench.listed()).values()} == {RecommendationState.GONE}
    for measure in (Measure.WAIT, Measure.SILENCE):
        assert (await bench.verbs.recommendation(ANN, found[measure].id)).state is RecommendationState.GONE
        with pytest.raises(Conflict):
            await bench.deciding.apply(ANN, found[measure].id)
    run = await bench.run()
    assert (run.tried, run.gone) == (0, len(found))
    assert await bench.open() == {}


async def test_a_framework_that_is_taken_back_has_its_recommendations_back(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    found, frameworks = await bench.open(), bench.engine.shelves.frameworks
    await frameworks.archive(ANN, "web", is_archived=True)
    with pytest.raises(Conflict, match="the framework 'web' was archived: restore it"):
        await bench.deciding.apply(ANN, found[Measure.WAIT].id)
    await frameworks.archive(ANN, "web", is_archived=False)
    assert await bench.open() == found
    assert (await bench.deciding.apply(ANN, found[Measure.WAIT].id)).state is RecommendationState.APPLIED


async def test_a_click_that_was_cut_short_comes_again_and_is_done(bench: Bench) -> None:
    await bench.spikes()
    await bench.mark()
    await bench.run()
    found = await bench.open()
    await bench.engine.shelves.rules.patch(ANN, "cpu", found[Measure.WAIT].change, 1)
    assert (await bench.deciding.apply(ANN, found[Measure.WAIT].id)).state is RecommendationState.APPLIED
    assert (await bench.engine.shelves.rules.get(ANN, "cpu")).version == 2


async def test_a_silence_is_made_once_and_holds_for_a_week(bench: Bench) -> None:
    await bench.spikes()
    await bench.mark()
    await bench.run()
    one = (await bench.open())[Measure.SILENCE]
    assert one.promise.after.notified == 0 < one.promise.before.notified
    await bench.deciding.apply(ANN, one.id)
    (silence,) = (await bench.engine.shelves.silences.several(ANN, [f"recommended-{one.id}"])).values()
    assert parse_rfc3339(silence.value.ends_at) == bench.now[0] + 7 * DAY_US
    assert silence.value.author == "ann"


async def test_two_clicks_at_once_are_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.spikes()
    await bench.mark()
    await bench.run()
    one = (await bench.open())[Measure.SILENCE]
    silences = bench.engine.shelves.silences
    create = silences.create

    async def meanwhile(*given: Any) -> Any:
        monkeypatch.undo()
        await bench.deciding.apply(ANN, one.id)
        return await create(*given)

    monkeypatch.setattr(silences, "create", meanwhile)
    assert (await bench.deciding.apply(ANN, one.id)).state is RecommendationState.APPLIED
    assert bench.insights.statistics()["applied"] == 1


async def test_what_was_made_by_a_click_that_was_cut_short_and_put_away_since_is_not_called_applied(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.spikes()
    await bench.mark()
    await bench.run()
    one = (await bench.open())[Measure.SILENCE]

    async def killed(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bench.deciding, "_settle", killed)
        await bench.deciding.apply(ANN, one.id)
    silences, name = bench.engine.shelves.silences, f"recommended-{one.id}"
    await silences.archive(ANN, name, True)
    with pytest.raises(Conflict, match="put away since"):
        await bench.deciding.apply(ANN, one.id)
    await silences.archive(ANN, name, False)
    assert (await bench.deciding.apply(ANN, one.id)).state is RecommendationState.APPLIED


async def test_what_is_applied_while_somebody_dismisses_it_is_applied(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.spikes()
    await bench.run()
    one = (await bench.open())[Measure.WAIT]
    record = AuditTrail.record

    async def meanwhile(*given: Any) -> None:
        monkeypatch.undo()
        await bench.deciding.apply(ANN, one.id)
        await record(*given)

    monkeypatch.setattr(AuditTrail, "record", meanwhile)
    with pytest.raises(Conflict, match="it was applied"):
        await bench.deciding.dismiss(ANN, one.id)
    assert Measure.WAIT in await bench.listed(RecommendationState.APPLIED)


async def test_an_escalation_goes_to_the_team_that_owns_the_framework(bench: Bench) -> None:
    for _ in range(12):
        rung = (await bench.engine.service.trigger(ANN, [TriggerInput(framework_id="web", rule_id="cpu")]))[0]
        bench.now[0] += 60 * MINUTE_US
        await bench.engine.service.resolve(ANN, [rung.alert_id or ""])
        bench.now[0] += 60 * MINUTE_US
    await bench.run()
    lonely = (await bench.open())[Measure.ADD_ESCALATION]
    with pytest.raises(Conflict, match="give the framework web an owner"):
        await bench.deciding.apply(ANN, lonely.id)
    await bench.engine.shelves.teams.create(ANN, {"id": "ops"})
    await bench.engine.shelves.frameworks.patch(ANN, "web", {"owner": "ops"}, None)
    await bench.run()
    one = (await bench.open())[Measure.ADD_ESCALATION]
    assert one.promise.after.notified == one.promise.before.notified + 12
    await bench.deciding.apply(ANN, one.id)
    (chain,) = (await bench.engine.shelves.escalations.several(ANN, [f"recommended-{one.id}"])).values()
    assert (chain.value.steps[0].teams, chain.value.rules) == (("ops",), ("cpu",))
    assert (await bench.run()).recommended == 0


async def test_what_is_not_found_any_more_is_gone_and_comes_back_if_it_is_found_again(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    one = (await bench.open())[Measure.WAIT]
    calm = bench.now[0] + 15 * DAY_US
    assert (await bench.insights.runs.run(WORKSPACE, calm)).gone >= 1
    assert Measure.WAIT in await bench.listed(RecommendationState.GONE)
    with pytest.raises(Conflict, match="it is gone"):
        await bench.deciding.apply(ANN, one.id)
    await bench.run()
    assert (await bench.open())[Measure.WAIT].id == one.id


async def test_what_was_dismissed_is_not_told_again(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    one = (await bench.open())[Measure.WAIT]
    await bench.deciding.dismiss(who("responder"), one.id)
    await bench.run()
    assert Measure.WAIT not in await bench.open()
    assert (await bench.verbs.recommendation(ANN, one.id)).state is RecommendationState.DISMISSED


# Who may


async def test_who_may_read_does_not_apply_and_others_see_nothing(bench: Bench) -> None:
    await bench.spikes()
    await bench.run()
    one = (await bench.open())[Measure.WAIT]
    for verb in (bench.deciding.apply, bench.deciding.dismiss):
        with pytest.raises(PermissionDenied):
            await verb(who("viewer"), one.id)
    foreign = msgspec.structs.replace(ANN, workspace="other")
    elsewhere = who(channels=("db",))
    for asker in (foreign, elsewhere):
        assert await bench.listed(asker=asker) == {}
        assert (await bench.verbs.page(asker, None, None, 50)).items == []
        for verb in (bench.deciding.apply, bench.deciding.dismiss, bench.verbs.recommendation):
            with pytest.raises(UnknownChannel):
                await verb(asker, one.id)
    with pytest.raises(PermissionDenied):
        await bench.verbs.get(elsewhere, "web")
    with pytest.raises(PermissionDenied):
        await bench.verbs.recommendations(elsewhere, RecommendationsWanted(limit=1, framework="web"))
    with pytest.raises(UnknownChannel):
        await bench.verbs.get(foreign, "web")


async def test_a_rule_whose_trial_ends_badly_leaves_the_rest_and_what_was_recommended_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.spikes()
    await bench.run()
    recommended = (await bench.open()).keys()
    assert recommended
    compute = bench.insights.runs.asking.processes.compute

    async def only_looks(module: str, task: bytes) -> bytes:
        if isinstance(msgspec.msgpack.decode(task, type=Look | Try), Try):
            raise ComputingFailedError("it was killed")
        return await compute(module, task)

    monkeypatch.setattr(bench.insights.runs.asking.processes, "compute", only_looks)
    run = await bench.run()
    assert (run.frameworks, run.tried, run.failed, run.gone) == (1, 0, 1, 0)
    assert (await bench.open()).keys() == recommended
    assert bench.insights.statistics()["rules_failed"] == 1
