"""When a loop counts as stalled, what is written then, and that a pause of the whole process is no stall."""

from __future__ import annotations

import json
import os
import signal
import threading

import pytest
import trio
from trio.testing import MockClock

from engine.telemetry import watchdog as module
from engine.telemetry.watchdog import FRAMES_MAX, GAVE_UP, PIECE_BYTES, Silence, Verdict, Watchdog, stacks, write_stderr

TURNS, SILENT, STALLED, GIVEN_UP = Verdict.TURNS, Verdict.SILENT, Verdict.STALLED, Verdict.GIVEN_UP


def test_a_loop_that_turns_is_never_silent() -> None:
    silence = Silence(5, 15)
    assert {silence.look(beats) for beats in range(1, 1_000)} == {TURNS}


def test_a_silent_loop_is_stalled_once_after_five_seconds_and_given_up_after_fifteen() -> None:
    silence = Silence(5, 15)
    silence.look(1)
    looks = [silence.look(1) for _ in range(30)]
    assert silence.look_s == 0.5
    assert looks == [SILENT] * 9 + [STALLED] + [SILENT] * 19 + [GIVEN_UP]
    assert silence.seconds == 15


def test_each_stall_is_told() -> None:
    silence = Silence(5, 15)
    assert [silence.look(1 + n // 12) for n in range(24)].count(STALLED) == 2


def test_a_loop_that_has_not_begun_is_not_silent() -> None:
    silence = Silence(5, 15)
    assert {silence.look(0) for _ in range(100)} == {TURNS}


def test_a_pause_of_the_whole_process_is_one_look_long() -> None:
    # Whatever the clocks say: this thread was not running either, so the loop had no chance to beat.
    silence = Silence(5, 15)
    silence.look(1)
    for _ in range(9):
        assert silence.look(1) is SILENT
    assert silence.look(2) is TURNS
    assert silence.seconds == 0


class Ended(BaseException):
    """The process would have ended."""


class LooksThrough:
    """Instead of the event that the thread waits on: looks follow each other at once, until there are enough."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def wait(self, seconds: float) -> bool:
        self.left -= 1
        return self.left < 0


def watched(monkeypatch: pytest.MonkeyPatch, looks: int) -> tuple[Watchdog, list[dict]]:
    """A watchdog whose thread's work is called here; the loop has beaten once."""
    lines: list[dict] = []

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: None)
    watchdog = Watchdog(5, 15, lambda line: lines.append(json.loads(line)))
    watchdog._beats = 1
    monkeypatch.setattr(watchdog, "_is_over", LooksThrough(looks))
    return watchdog, lines


def test_a_stall_is_one_line_with_the_stacks_of_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, leave = threading.Event(), threading.Event()

    def somewhere() -> None:
        inside.set()
        leave.wait(30)

    thread = threading.Thread(target=somewhere, name="busy")
    thread.start()
    inside.wait(30)
    watchdog, [] = watched(monkeypatch, looks=20)
    lines: list[dict] = []
    watchdog._say = lambda line: lines.append(json.loads(line))
    try:
        watchdog._watch()
    finally:
        leave.set()
        thread.join()
    [line] = lines
    assert (line["event"], line["level"], line["silent_s"]) == ("loop_stalled", "critical", 5.0)
    assert line["timestamp"].endswith("Z")
    assert any("somewhere" in call for call in line["stacks"]["busy"])
    assert watchdog.stalls == 1


def test_a_loop_that_is_given_up_ends_the_process_with_70_after_saying_so(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog, lines = watched(monkeypatch, looks=1_000)
    with pytest.raises(Ended, match=str(GAVE_UP)):
        watchdog._watch()
    assert [(line["event"], line["silent_s"]) for line in lines] == [("loop_stalled", 5.0), ("loop_given_up", 15.0)]
    assert lines[1]["exit_code"] == 70


def test_the_kernels_timer_runs_before_the_first_look_and_not_after_the_end() -> None:
    with Watchdog(36_000, 100_000):
        left, _ = signal.getitimer(signal.ITIMER_PROF)
        assert 90_000 < left < 100_001
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_the_stacks_begin_with_the_loops_and_are_bounded() -> None:
    def deep(left: int) -> dict[str, list[str]]:
        if left:
            return deep(left - 1)
        seen: list[dict[str, list[str]]] = []
        mine = threading.get_ident()
        thread = threading.Thread(target=lambda: seen.append(stacks(first=mine)))
        thread.start()
        thread.join()
        return seen[0]

    found = deep(100)
    assert next(iter(found)) == threading.current_thread().name
    assert len(found[threading.current_thread().name]) == FRAMES_MAX


async def test_the_loop_beats_as_long_as_it_turns(autojump_clock: MockClock) -> None:
    watchdog = Watchdog(5, 15)
    with trio.move_on_after(10):
        await watchdog.keep_beating()
    assert watchdog._beats == pytest.approx(40, abs=1)


def test_a_line_is_written_as_far_as_somebody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_S", 0.0)
    read, write = os.pipe()
    kept = os.dup(2)
    os.dup2(write, 2)
    try:
        write_stderr(b"x" * (1_000 * PIECE_BYTES))
        size = 0
        os.set_blocking(read, False)
        while True:
            try:
                size += len(os.read(read, 1_000_000))
            except BlockingIOError:
                break
        os.close(read)
        write_stderr(b"nobody is there")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(write)
    assert 0 < size < 1_000 * PIECE_BYTES
