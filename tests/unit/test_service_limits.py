"""The engine's verbs where there is no room, no store, or no answer in time; and what is counted."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.core.turn import Policy
from protocol import messages as m
from protocol.commands import Ring
from protocol.errors import Busy, StoreUnavailable, TooManyRequests
from protocol.items import ItemResult, ReadingInput
from protocol.model import AlertState, ChannelKey, Reason, Status
from tests.support.actors import Answers, start
from tests.support.verbs import ANN, a_bench, a_trigger, bench, reasons

__all__ = ["bench"]

# Limits and faults


async def test_the_service_is_ready_while_the_store_is(bench):
    assert bench.service.is_ready
    bench.goes_away()
    assert not bench.service.is_ready


async def test_why_nothing_can_be_acked_is_said_in_words_that_tell_nobody_too_much(bench):
    assert bench.service.why_unready == ""
    bench.goes_away()
    assert bench.service.why_unready == "it takes no writes"
    bench.store.is_reachable = False
    assert bench.service.why_unready == "its server does not answer"
    bench.registry.cell(ChannelKey("acme", "held")).away = "its disk is full: could not extend /srv/secret/12"
    assert bench.service.why_unready == "its disk is full"
    bench.registry.cell(ChannelKey("acme", "held")).away = "its data are damaged: page 12 of /srv/secret"
    assert bench.service.why_unready == "its data are damaged"
    with pytest.raises(StoreUnavailable, match=r"the store is away \(its data are damaged\); nothing was stored"):
        await bench.ring("never used")


async def test_a_key_that_no_store_takes_is_of_no_notification(bench, monkeypatch):
    # Postgres takes no NUL, and none takes half of a surrogate pair: that is no fault of ours.
    asked = []

    async def read(workspace, user, keys):
        asked.append(keys)
        return len(keys or ())

    async def unread(workspace, user):
        return 0

    monkeypatch.setattr(bench.store, "read", read, raising=False)
    monkeypatch.setattr(bench.store, "unread", unread, raising=False)
    assert await bench.service.mark_read(ANN, ["a", "b\0", "\ud83d"]) == (1, 0)
    await bench.service.mark_read(ANN, None)
    assert asked == [["a"], None]


async def test_a_store_whose_last_commit_failed_is_tried_by_the_next_request_if_no_channel_tries_it(bench):
    # The channel that was told "unavailable" has crashed since, or was parked: without a try it would stay so for ever.
    bench.store.is_available = False
    assert bench.service.is_ready
    [result] = await bench.ring("checkout")
    assert result.status is Status.FIRED


async def test_the_service_is_not_ready_while_the_stores_server_does_not_answer_though_nobody_has_tried(bench):
    bench.store.is_reachable = False
    assert not bench.service.is_ready
    with pytest.raises(StoreUnavailable):
        await bench.ring("never used")
    bench.store.is_reachable = True
    assert bench.service.is_ready


async def test_while_the_store_is_away_every_change_is_refused_at_once(bench):
    alert_id = await bench.rung()
    bench.goes_away()
    for verb in (
        lambda: bench.ring("checkout"),
        lambda: bench.service.read(ANN, [ReadingInput(framework_id="a", metric="cpu", value=1.0)]),
        lambda: bench.service.report(ANN, [("a", Ring())]),
        lambda: bench.service.acknowledge(ANN, [alert_id], None),
        lambda: bench.service.resolve(ANN, [alert_id], None),
    ):
        with pytest.raises(StoreUnavailable):
            await verb()


async def test_a_full_channel_refuses_the_whole_request_if_it_is_the_only_one(autojump_clock):
    async with a_bench(is_running=False, mailbox_max=2) as bench:
        with pytest.raises(Busy, match="limit 2"):
            await bench.ring("a", "a", "a")
        assert [len(cell.mailbox) for cell in bench.registry.cells()] == [0]


async def test_a_full_channel_beside_others_answers_its_items_busy(autojump_clock):
    async with a_bench(is_running=False, mailbox_max=2) as bench, trio.open_nursery() as nursery:
        results: list[ItemResult] = []

        async def ring() -> None:
            results.extend(await bench.ring("a", "b", "a", "a"))

        nursery.start_soon(ring)
        await wait_all_tasks_blocked()
        await start(nursery, bench.registry.run)
        await wait_all_tasks_blocked()
        assert reasons(results) == [Reason.BUSY, Reason.FIRED, Reason.BUSY, Reason.BUSY]
        assert "limit 2" in results[0].message
        assert bench.figure('tocsin_refused_total{limit="channel_mailbox"}') == 1, "once, however many items it had"
        nursery.cancel_scope.cancel()


async def test_a_full_channel_answers_changes_busy_and_other_channels_do_theirs(autojump_clock):
    async with a_bench(mailbox_max=2) as bench:
        ids = [(await bench.rung(dedup_key=key)) for key in "abc"]
        ids.append(await bench.rung("search"))
        results = await bench.service.acknowledge(ANN, ids, None)
        assert reasons(results) == [Reason.BUSY, Reason.BUSY, Reason.BUSY, Reason.ACKNOWLEDGED]
        assert bench.figure('tocsin_refused_total{limit="channel_mailbox"}') == 1


async def test_what_a_channel_has_no_room_for_is_counted_under_the_limit_that_it_met(autojump_clock):
    async with a_bench(policy=Policy(windows_max=1)) as bench:
        await bench.rung(dedup_key="a")
        assert reasons(await bench.ring("checkout", dedup_key="b")) == [Reason.BUSY]
        assert bench.figure('tocsin_refused_total{limit="channel_windows"}') == 1


async def test_what_one_commit_has_no_room_for_is_answered_after_the_next_one(autojump_clock):
    async with a_bench(policy=Policy(events_max=1)) as bench:
        results = await bench.service.trigger(ANN, [a_trigger("checkout", dedup_key=key) for key in "abc"])
        assert reasons(results) == [Reason.FIRED] * 3
        assert [result.offset for result in results] == [1, 2, 3]


async def test_past_the_limit_of_channels_a_request_is_refused_and_nothing_of_it_happens(autojump_clock):
    async with a_bench(channels_max=2, idle_s=1.0) as bench:
        ids = [await bench.rung(framework) for framework in "ab"]
        await trio.sleep(1_000)  # both are retired
        await bench.rung("c")
        with pytest.raises(Busy):
            await bench.service.resolve(ANN, ids, None)
        with pytest.raises(Busy):
            await bench.ring("a", "b")
        await trio.sleep(1_000)
        assert {(await bench.service.alert(ANN, each)).state for each in ids} == {AlertState.ACTIVE}


async def test_no_answer_in_time_is_busy_and_says_that_it_may_yet_be_stored(autojump_clock):
    async with a_bench(is_running=False) as bench:
        began = trio.current_time()
        with pytest.raises(Busy, match="it may yet be stored"):
            await bench.ring("checkout")
        assert trio.current_time() - began == 10.0


async def test_what_happened_is_counted(bench):
    await bench.ring("checkout", "checkout", alert_type="cpu")
    assert bench.figure('alert_triggers_total{framework_id="checkout",alert_type="cpu"}') == 2
    assert bench.figure("alerts_processed_total") == 2
    assert bench.figure("alert_processing_errors_total") == 0


async def test_a_channel_that_is_parked_counts_as_an_error_of_ours(bench):
    bench.registry.cell(ChannelKey("acme", "checkout")).park()
    assert reasons(await bench.ring("checkout")) == [Reason.FAILED]
    assert bench.figure("alert_processing_errors_total") == 1


async def test_a_workspace_has_so_many_items_a_second_over_all_doors_and_nothing_is_done_of_more() -> None:
    async with a_bench(workspace_items_per_s=3.0) as bench:
        answers = Answers()
        await bench.service.trigger(ANN, [a_trigger("checkout")] * 2)
        with pytest.raises(TooManyRequests, match="workspace_items_per_s: 3 a second, 3 at once"):
            await bench.service.submit(ANN, m.Trigger(alerts=[a_trigger("search")] * 2), answers)
        with pytest.raises(TooManyRequests):
            await bench.service.resolve(ANN, ["a", "b"], None)
        assert answers.all == []
        assert bench.figure('tocsin_refused_total{limit="workspace_items_per_s"}') == 2
