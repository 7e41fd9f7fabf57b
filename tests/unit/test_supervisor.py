"""Supervision: who starts when, who is restarted with whom, and when it fails upward. All in virtual time."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.restart import RestartPolicy
from actors.supervisor import ChildSpec, RestartKind, Started, Strategy, Supervisor, TooManyRestarts, root_cause
from tests.support.actors import Recorder, start


class Part:
    """A child that writes down what happens to it, and ends as it is told."""

    def __init__(self, name: str, log: list[str], **spec: Any) -> None:
        self.name = name
        self.log = log
        self.runs = 0
        self.starts = True
        self.stop_s = 0.0
        self.crash_on_stop = False
        self._orders, self._taken = trio.open_memory_channel[Exception | None](10)
        self.spec = ChildSpec(name, self.run, **spec)

    def end(self, crash: Exception | None = None) -> None:
        self._orders.send_nowait(crash)

    async def run(self, status: Started) -> None:
        self.runs += 1
        self.log.append(f"+{self.name}")
        try:
            if self.starts:
                status.started()
            crash = await self._taken.receive()
            if crash is not None:
                raise crash
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.stop_s)
            self.log.append(f"-{self.name}")
            if self.crash_on_stop:
                raise OSError("cannot be closed")


def parts(log: list[str], names: str = "abc", **spec: Any) -> list[Part]:
    return [Part(name, log, **spec) for name in names]


@asynccontextmanager
async def supervised(
    children: Sequence[Part], strategy: Strategy = Strategy.REST_FOR_ONE, observer: Recorder | None = None
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor([child.spec for child in children], strategy, observer or Recorder())
    async with trio.open_nursery() as nursery:
        await start(nursery, supervisor.run)
        yield supervisor
        nursery.cancel_scope.cancel()


async def settle() -> None:
    """Until the next thing that happens is a timer's."""
    await trio.testing.wait_all_tasks_blocked()


async def test_children_start_in_order_and_stop_in_reverse_one_after_the_other(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children = parts(log)
    for child in children:
        child.stop_s = 1.0
    async with supervised(children):
        log.append("up")
    assert log == ["+a", "+b", "+c", "up", "-c", "-b", "-a"]
    assert trio.current_time() == 3.0


async def test_a_child_waits_until_the_one_before_it_has_started(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children = parts(log, start_deadline_s=1_000.0)
    children[0].starts = False
    supervisor = Supervisor([child.spec for child in children], Strategy.ONE_FOR_ONE, Recorder())
    with trio.move_on_after(100):
        await supervisor.run(trio.TASK_STATUS_IGNORED)
    assert log == ["+a", "-a"]


@pytest.mark.parametrize(
    ("strategy", "affected"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b"]),
        (Strategy.REST_FOR_ONE, ["-b", "-c", "+b", "+c"]),
        (Strategy.ONE_FOR_ALL, ["-b", "-c", "-a", "+a", "+b", "+c"]),
    ],
)
async def test_the_strategy_says_who_is_restarted_with_a_child(
    autojump_clock: MockClock, strategy: Strategy, affected: list[str]
) -> None:
    log: list[str] = []
    children, observer = parts(log), Recorder()
    async with supervised(children, strategy, observer) as supervisor:
        log.clear()
        children[1].end(OSError("gone"))
        await trio.sleep(1)
        assert log == affected
        assert observer.restarts == ["b"]
        assert supervisor.statistics() == {
            "a": {"running": True, "restarts": 0},
            "b": {"running": True, "restarts": 1},
            "c": {"running": True, "restarts": 0},
        }


async def test_a_restart_comes_after_the_backoff(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children = parts(log, "a", policy=RestartPolicy(first_delay_s=4, max_delay_s=4, jitter=0))
    async with supervised(children) as supervisor:
        children[0].end(OSError("gone"))
        await trio.sleep(3.9)
        assert (children[0].runs, supervisor.statistics()["a"]["running"]) == (1, False)
        await trio.sleep(0.2)
        assert children[0].runs == 2


async def test_one_childs_backoff_does_not_hold_up_another_childs_restart(autojump_clock: MockClock) -> None:
    log: list[str] = []
    slow = Part("slow", log, policy=RestartPolicy(first_delay_s=9, max_delay_s=9, jitter=0))
    fast = Part("fast", log)
    async with supervised([slow, fast], Strategy.ONE_FOR_ONE):
        slow.end(OSError("gone"))
        await settle()
        fast.end(OSError("gone"))
        await trio.sleep(1)
        assert (slow.runs, fast.runs) == (1, 2)
        await trio.sleep(9)
        assert (slow.runs, fast.runs) == (2, 2)


async def test_a_child_that_does_not_start_in_time_counts_as_crashed_and_those_after_it_get_their_turn(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []
    stuck, after = parts(log, "ab", start_deadline_s=30.0)
    stuck.starts = False
    supervisor = Supervisor([stuck.spec, after.spec], Strategy.REST_FOR_ONE, Recorder())
    with capture_logs() as entries:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start, nursery, supervisor.run)
            await trio.sleep(29.9)
            assert log == ["+a"]
            stuck.starts = True
            await trio.sleep(1)
            assert log == ["+a", "-a", "+a", "+b"]
            await trio.sleep(100)
            assert log == ["+a", "-a", "+a", "+b"], "who has started has all the time there is"
            nursery.cancel_scope.cancel()
    [crashed] = [entry for entry in entries if entry["event"] == "child_crashed"]
    assert str(root_cause(crashed["exc_info"])) == "a did not start within 30 s"


async def test_two_that_crash_together_are_restarted_once(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children, observer = parts(log), Recorder()
    async with supervised(children, observer=observer):
        log.clear()
        for child in reversed(children):
            child.end(OSError("all at once"))
        await trio.sleep(5)
        assert log[3:] == ["+a", "+b", "+c"]
        assert observer.restarts == ["a"]


async def test_the_sixth_crash_in_thirty_seconds_stops_everything_and_fails_upward(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children = parts(log)
    fault = OSError("again")
    with pytest.raises(ExceptionGroup) as caught:
        async with supervised(children):
            for _ in range(6):
                children[1].end(fault)
                await trio.sleep(4)
    failure = root_cause(caught.value)
    assert isinstance(failure, TooManyRestarts)
    assert str(failure) == "b crashed 6 times in 30 s"
    assert failure.__cause__ is fault
    assert children[1].runs == 6
    assert log[-3:] == ["-b", "-c", "-a"]


async def test_six_crashes_in_more_than_thirty_seconds_are_lived_with(autojump_clock: MockClock) -> None:
    children = parts([], "a")
    async with supervised(children):
        for _ in range(6):
            children[0].end(OSError("again"))
            await trio.sleep(6.1)
        assert children[0].runs == 7


async def test_a_crash_in_start_up_is_no_hot_loop_and_ends_after_six(autojump_clock: MockClock) -> None:
    runs = []

    async def fails(status: Started) -> None:
        runs.append(trio.current_time())
        raise RuntimeError("cannot start")

    never = Part("never", [])
    supervisor = Supervisor([ChildSpec("fails", fails), never.spec], Strategy.REST_FOR_ONE, Recorder())
    with pytest.raises(TooManyRestarts):
        await supervisor.run(trio.TASK_STATUS_IGNORED)
    assert (len(runs), never.runs) == (6, 0)
    assert all(later - sooner >= 0.08 for sooner, later in itertools.pairwise(runs))
    assert trio.current_time() >= 0.8 * (0.1 + 0.2 + 0.4 + 0.8 + 1.6)


async def test_those_after_a_child_that_crashed_in_start_up_start_when_it_is_up(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children = parts(log, "ab")
    children[0].starts = False
    children[0].end(OSError("first try"))
    supervisor = Supervisor([child.spec for child in children], Strategy.REST_FOR_ONE, Recorder())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run, trio.TASK_STATUS_IGNORED)
        await settle()
        assert log == ["+a", "-a"]
        children[0].starts = True
        await trio.sleep(1)
        assert log == ["+a", "-a", "+a", "+b"]
        nursery.cancel_scope.cancel()


async def test_a_child_that_crashes_while_another_one_waits_for_it_to_come_up_is_restarted(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []
    children = parts(log, "ab")
    children[1].starts = False
    supervisor = Supervisor([child.spec for child in children], Strategy.REST_FOR_ONE, Recorder())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run, trio.TASK_STATUS_IGNORED)
        await settle()
        children[0].end(OSError("the one below"))
        await trio.sleep(1)
        assert log == ["+a", "+b", "-a", "-b", "+a", "+b"]
        nursery.cancel_scope.cancel()


class WrongSetting(Exception):
    pass


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_fatal_exception_goes_straight_up(autojump_clock: MockClock, wrapped: bool) -> None:
    fault = WrongSetting("port in use")
    ran = []

    async def fails(status: Started) -> None:
        ran.append(True)
        raise ExceptionGroup("a nursery", [fault]) if wrapped else fault

    supervisor = Supervisor([ChildSpec("a", fails, fatal=(WrongSetting,))], Strategy.REST_FOR_ONE, Recorder())
    with pytest.raises(WrongSetting) as caught:
        await supervisor.run(trio.TASK_STATUS_IGNORED)
    assert (caught.value, ran) == (fault, [True])


@pytest.mark.parametrize(
    ("kind", "crash", "runs"),
    [
        (RestartKind.PERMANENT, None, 2),
        (RestartKind.PERMANENT, OSError("gone"), 2),
        (RestartKind.TRANSIENT, None, 1),
        (RestartKind.TRANSIENT, OSError("gone"), 2),
        (RestartKind.TEMPORARY, None, 1),
        (RestartKind.TEMPORARY, OSError("gone"), 1),
    ],
)
async def test_the_kind_says_which_end_is_answered_by_a_restart(
    autojump_clock: MockClock, kind: RestartKind, crash: Exception | None, runs: int
) -> None:
    child = Part("a", [], restart=kind)
    async with supervised([child]):
        child.end(crash)
        await trio.sleep(1)
        assert child.runs == runs


async def test_a_child_that_is_done_at_once_does_not_keep_those_after_it_from_starting(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []
    first = Part("first", log, restart=RestartKind.TRANSIENT)
    first.starts = False
    first.end()
    async with supervised([first, Part("second", log)]):
        assert log == ["+first", "-first", "+second"]


async def test_a_temporary_child_is_not_started_again_with_its_neighbours_a_transient_one_is(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []
    children = [
        Part("a", log),
        Part("once", log, restart=RestartKind.TEMPORARY),
        Part("job", log, restart=RestartKind.TRANSIENT),
    ]
    async with supervised(children):
        children[2].end()
        await settle()
        children[0].end(OSError("gone"))
        await trio.sleep(1)
        assert [child.runs for child in children] == [2, 1, 2]


async def test_a_child_that_does_not_stop_in_time_is_left_behind_and_named(autojump_clock: MockClock) -> None:
    log: list[str] = []
    child = Part("stuck", log, stop_deadline_s=2.0)
    other = Part("other", log)
    child.stop_s = 50.0
    with capture_logs() as logs:
        async with supervised([other, child]):
            began = trio.current_time()
    assert [entry for entry in logs if entry["event"] == "child_does_not_stop"] == [
        {"event": "child_does_not_stop", "log_level": "error", "child": "stuck", "deadline_s": 2.0}
    ]
    assert log == ["+other", "+stuck", "-other", "-stuck"]
    assert trio.current_time() == began + 50, "trio cannot leave it behind for good"


async def test_the_late_end_of_a_run_that_was_left_behind_is_not_the_end_of_the_next_one(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []
    first, stuck = Part("first", log), Part("stuck", log, stop_deadline_s=1.0)
    stuck.stop_s = 10.0
    observer = Recorder()
    async with supervised([first, stuck], observer=observer) as supervisor:
        first.end(OSError("gone"))
        await trio.sleep(20)
        assert stuck.runs == 2
        assert observer.restarts == ["first"]
        assert supervisor.statistics()["stuck"] == {"running": True, "restarts": 0}
        stuck.stop_s = 0.0


async def test_a_child_that_fails_while_it_is_stopped_harms_nobody(autojump_clock: MockClock) -> None:
    log: list[str] = []
    first, clumsy = Part("first", log), Part("clumsy", log)
    clumsy.crash_on_stop = True
    with capture_logs() as logs:
        async with supervised([first, clumsy]):
            first.end(OSError("gone"))
            await trio.sleep(1)
            assert (first.runs, clumsy.runs) == (2, 2)
    assert [entry["child"] for entry in logs if entry["event"] == "child_failed_while_stopping"] == ["clumsy"] * 2


async def test_a_child_whose_own_tasks_fail_while_it_is_stopped_harms_nobody(autojump_clock: MockClock) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise OSError("cannot be closed")

    async def run(status: Started) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails_when_cancelled)
            nursery.start_soon(trio.sleep_forever)
            status.started()

    supervisor = Supervisor([ChildSpec("group", run)], Strategy.REST_FOR_ONE, Recorder())
    async with trio.open_nursery() as nursery:
        await start(nursery, supervisor.run)
        nursery.cancel_scope.cancel()


async def test_cancelled_during_a_restart_it_leaves_no_orphan(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children = parts(log, policy=RestartPolicy(first_delay_s=10, max_delay_s=10))
    async with supervised(children):
        children[1].end(OSError("gone"))
        await trio.sleep(1)
    assert log == ["+a", "+b", "+c", "-b", "-c", "-a"]
    assert trio.current_time() == 1


async def test_cancelled_while_it_stops_neighbours_for_a_restart_it_still_waits_for_them(
    autojump_clock: MockClock,
) -> None:
    log: list[str] = []
    children = parts(log)
    children[2].stop_s = 3.0
    async with supervised(children):
        children[1].end(OSError("gone"))
        await trio.sleep(1)
    assert log == ["+a", "+b", "+c", "-b", "-c", "-a"]
    assert trio.current_time() == 3


async def test_an_interrupt_in_a_child_goes_through_and_the_others_are_stopped(autojump_clock: MockClock) -> None:
    log: list[str] = []

    async def interrupted(status: Started) -> None:
        status.started()
        raise KeyboardInterrupt

    supervisor = Supervisor([Part("a", log).spec, ChildSpec("i", interrupted)], Strategy.REST_FOR_ONE, Recorder())
    with pytest.raises(BaseExceptionGroup) as caught:
        await supervisor.run(trio.TASK_STATUS_IGNORED)
    assert isinstance(root_cause(caught.value), KeyboardInterrupt)
    assert log == ["+a", "-a"]


def test_the_root_cause_is_what_groups_of_one_hold() -> None:
    fault, other = OSError("one"), ValueError("two")
    assert root_cause(fault) is fault
    assert root_cause(ExceptionGroup("outer", [ExceptionGroup("inner", [fault])])) is fault
    several = ExceptionGroup("several", [fault, other])
    assert root_cause(ExceptionGroup("outer", [several])) is several
