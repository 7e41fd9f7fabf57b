"""A thread that notices when the loop no longer turns: it shows where it hangs, and at last ends the process.

trio cannot interrupt a task that computes for ever, waits in a blocking call or shields itself. The loop says that it
turns (`keep_beating`); if it has not for `stall_s`, the stacks of all threads are written to standard error, once; if
it has not for `exit_s`, the process ends with 70, and its service manager starts another one. What was acked is on
stable storage. Only `tocsin serve` keeps one: what a stalled loop means for an embedding program is its own affair.

What counts is the time in which this thread itself has run: after a pause of the whole process (SIGSTOP, a suspended
machine) nobody is late. A call of C that keeps the interpreter holds this thread too. For that there is the kernel's
timer of the CPU time used, wound up again at each look: when it runs out SIGPROF writes the stacks without needing the
interpreter and ends the process.

Decided against: the log's own thread and queue for these lines (they may be what hangs, and an exit loses what waits),
and `traceback`, which reads source files from a disk that may be what hangs.
"""

from __future__ import annotations

import contextlib
import enum
import faulthandler
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

import trio

from engine.ids import now_us
from engine.telemetry.logs import render_line
from protocol.times import rfc3339

BEAT_S = 0.25
# Looks in the time after which the loop counts as stalled: it is noticed a tenth of that late at most.
LOOKS_A_STALL = 10
# sysexits.h: EX_SOFTWARE.
GAVE_UP = 70
# What a reader needs of a thread: where it is and how it came there. Beyond it the line would be cut anyway.
FRAMES_MAX = 40
# A pipe that is ready takes so many bytes without waiting (POSIX's PIPE_BUF is 4,096 on Linux).
PIECE_BYTES = 4_096
# Nobody reads standard error: ending the process must not wait for it.
WRITE_S = 1.0

Say = Callable[[bytes], None]


class Verdict(enum.Enum):
    """What a look at the loop says."""

    TURNS = "turns"
    SILENT = "silent"
    # Once per stall.
    STALLED = "stalled"
    GIVEN_UP = "given up"


class Silence:
    """For how long the loop has been silent, counted in looks: a pause of the process is one look long."""

    def __init__(self, stall_s: float, exit_s: float) -> None:
        self.look_s = stall_s / LOOKS_A_STALL
        self._exit_looks = round(exit_s / self.look_s)
        self._beats = 0
        self._looks = 0

    @property
    def seconds(self) -> float:
        """How long it has been silent."""
        return self._looks * self.look_s

    def look(self, beats: int) -> Verdict:
        """Called every `look_s` with the number of beats so far."""
        if beats != self._beats:
            self._beats, self._looks = beats, 0
            return Verdict.TURNS
        if not beats:
            return Verdict.TURNS  # not started yet
        self._looks += 1
        if self._looks >= self._exit_looks:
            return Verdict.GIVEN_UP
        return Verdict.STALLED if self._looks == LOOKS_A_STALL else Verdict.SILENT


class Watchdog:
    """Use it as `with Watchdog(...) as watchdog:` round `trio.run`, and `watchdog.keep_beating` inside."""

    def __init__(self, stall_s: float, exit_s: float, say: Say | None = None) -> None:
        self._silence = Silence(stall_s, exit_s)
        self._exit_s = exit_s
        self._say = say or write_stderr
        self._beats = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tocsin-watchdog", daemon=True)
        self._owner = threading.get_ident()
        self.stalls = 0

    def __enter__(self) -> Watchdog:
        faulthandler.register(signal.SIGPROF, file=2, all_threads=True, chain=True)
        # Before the first look as well: a call that keeps the interpreter may come before it, and then there is none.
        self._wind_up()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.unregister(signal.SIGPROF)

    async def keep_beating(self) -> None:
        """Says for ever that the loop turns."""
        while True:
            self._beats += 1
            await trio.sleep(min(BEAT_S, self._silence.look_s))

    def _watch(self) -> None:
        while not self._is_over.wait(self._silence.look_s):
            self._wind_up()
            verdict = self._silence.look(self._beats)
            if verdict is Verdict.STALLED:
                self.stalls += 1
                self._tell("loop_stalled")
            elif verdict is Verdict.GIVEN_UP:
                self._tell("loop_given_up", exit_code=GAVE_UP)
                os._exit(GAVE_UP)

    def _wind_up(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self._exit_s)

    def _tell(self, event: str, **more: object) -> None:
        line = {
            "timestamp": rfc3339(now_us()),
            "level": "critical",
            "event": event,
            "silent_s": round(self._silence.seconds, 3),
            **more,
            "stacks": stacks(first=self._owner),
        }
        self._say(render_line(None, "critical", line))


def stacks(first: int) -> dict[str, list[str]]:
    """Where each thread is, innermost call first: by name, `first` (an ident) before the others."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    order = sorted(frames, key=lambda ident: ident != first)
    return {names.get(ident) or str(ident): _calls(frames[ident]) for ident in order if ident != threading.get_ident()}


def _calls(frame: FrameType | None) -> list[str]:
    calls: list[str] = []
    while frame is not None and len(calls) < FRAMES_MAX:
        code = frame.f_code
        calls.append(f"{code.co_filename}:{frame.f_lineno} {code.co_qualname}")
        frame = frame.f_back
    return calls


def write_stderr(line: bytes) -> None:
    """Writes to standard error, as far as somebody takes it: never waits longer than WRITE_S for the next piece."""
    with contextlib.suppress(OSError):  # nobody is there any more
        while line:
            if not select.select([], [2], [], WRITE_S)[1]:
                return
            line = line[os.write(2, line[:PIECE_BYTES]) :]
