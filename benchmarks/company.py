"""The process of everybody in a soak who is not steady: clients that come and go, slow ones, and hostile ones.

Told by the parent (see `control`) to begin, and to end and say what became of whom. Those who come and go behave well:
they recover what they missed, and each gap or repetition they see is counted and makes the soak fail. Of the slow and
the hostile only the number is told; what they must not do, cost others something, is seen at the others. Everything
random comes from one seed.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from functools import partial

import msgspec
import trio

from benchmarks.control import CONTROL_FD, CommandReader, raise_open_files, say
from benchmarks.dial import Target
from benchmarks.hostile import DEEDS, Deed
from benchmarks.measure import Verdict
from benchmarks.talk import Ended, Talk
from benchmarks.wire import UNSOLICITED_PONG, BadStream, Heard
from protocol import messages as m
from protocol.items import TriggerInput
from protocol.stream import Arrival, Follower

CHURNERS = 8
# A churner stays for at most so long; the ones after it recover what it did not wait for.
STAY_MAX_S = 3.0
SLOW = 4
# A slow client takes so much a second, far less than it is sent, and shows that it lives.
SLOW_BYTES = 512
SLOW_PAUSE_S = 1.0
SLOW_BUFFER_BYTES = 4_096
NOISE_EVERY_S = 0.5
NOISE_ALERTS = 25
NOISE_TEXT = "x" * 1_000
# No hostile deed may take longer: whoever waits for its end then leaves.
DEED_MAX_S = 15.0
DEED_PAUSE_S = 0.2
# From the begin each is over by then, however slow the machine is.
CAME_MAX_S = 60.0
# A few tell the story.
COMPLAINTS_MAX = 10
_SEVERITIES = ("info", "warning", "error", "critical")


class Begin(msgspec.Struct, tag="begin"):
    """Whom to talk to as what: `steady` names the channel of the well-behaved, `noisy` that of the slow."""

    steady: Target
    noisy: Target
    producer: Target
    noise: str
    seed: int


class End(msgspec.Struct, tag="end"):
    """Everybody leaves."""


Command = Begin | End


class Story(msgspec.Struct):
    """What became of whom. `cut_off`: well-behaved clients that the server refused or ended."""

    verdict: Verdict = Verdict()
    cut_off: int = 0
    visits: int = 0
    recovered: int = 0
    slow: int = 0
    slow_cut: int = 0
    noise: int = 0
    deeds: dict[str, int] = {}
    complaints: list[str] = []


class Company:
    """Everybody, from one begin to its end."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._dice = random.Random(begin.seed)  # noqa: S311  # decides who does what, no secret
        self._deeds: Counter[str] = Counter()
        self._all_came = trio.Event()
        self.story = Story()

    async def run(self) -> None:
        """All of them, until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(CHURNERS):
                nursery.start_soon(self._churn)
            for _ in range(SLOW):
                nursery.start_soon(self._dawdle)
            nursery.start_soon(self._make_noise)
            for name, deed in DEEDS.items():
                nursery.start_soon(self._misbehave, name, deed)

    async def came(self) -> None:
        """Waits until each deed was done once: on a slow machine that may take longer than a short soak."""
        with trio.move_on_after(CAME_MAX_S):
            await self._all_came.wait()

    def told(self) -> Story:
        """The story so far."""
        self.story.deeds = dict(self._deeds)
        return self.story

    async def _churn(self) -> None:
        """Comes, recovers, listens for a while, leaves politely or not, comes back."""
        follower = Follower()
        while True:
            try:
                await self._visit(follower)
            except (Ended, OSError, BadStream) as fault:
                self.story.cut_off += 1
                self._complain(f"a churner was cut off: {type(fault).__name__} {fault}")
                await trio.sleep(DEED_PAUSE_S)

    async def _visit(self, follower: Follower) -> None:
        self.story.visits += 1
        with await Talk.connect(self._begin.steady) as talk:
            recover = follower.position()
            await talk.greet(recover)
            with trio.move_on_after(self._dice.uniform(0.1, STAY_MAX_S)):
                while True:
                    self._note(follower, await talk.hear(), recover is not None)
            if self._dice.random() < 0.5:  # as often politely as not
                talk.abandon()

    def _note(self, follower: Follower, heard: Heard, has_place: bool) -> None:
        """Holds one message against what this client has."""
        match heard.type:
            case "subscribed" if has_place and not heard.recovered:
                self._wrong(follower, heard, Verdict(missing=1), f"not recovered: {heard.reason}")
            case "subscribed" if has_place:
                self.story.recovered += 1
            case "subscribed":
                follower.restart(heard.epoch, heard.offset)
            case "alert":
                arrival = follower.arrive(heard.epoch, heard.offset, heard.prev)
                if arrival is Arrival.DUPLICATE:
                    self._wrong(None, heard, Verdict(duplicated=1), f"told again: {heard.offset}")
                elif arrival is Arrival.GAP:
                    self._wrong(follower, heard, Verdict(missing=1), f"a gap after {follower.offset}: {heard.prev}")
            case "position" if heard.offset > follower.offset:
                self._wrong(
                    follower, heard, Verdict(missing=1), f"silence after {follower.offset} until {heard.offset}"
                )
            case "gap":
                self._wrong(follower, heard, Verdict(missing=1), f"left out until {heard.to}, though it keeps up")
            case "error" | "auth_failed":
                self.story.cut_off += 1
                self._complain(f"a churner was refused: {heard.message}")

    def _wrong(self, follower: Follower | None, heard: Heard, verdict: Verdict, what: str) -> None:
        self.story.verdict = self.story.verdict + verdict
        self._complain(what)
        if follower is not None:
            follower.restart(heard.epoch, heard.to or heard.offset)

    def _complain(self, what: str) -> None:
        if len(self.story.complaints) < COMPLAINTS_MAX:
            self.story.complaints.append(what)

    async def _dawdle(self) -> None:
        """Follows the noisy channel and takes a few bytes a second, until it is cut; then comes back."""
        while True:
            self.story.slow += 1
            with contextlib.suppress(Ended, OSError, BadStream):
                talk = await Talk.connect(self._begin.noisy, receive_buffer_bytes=SLOW_BUFFER_BYTES)
                with talk:
                    await talk.greet()
                    while await talk.sock.recv(SLOW_BYTES):
                        await talk.send(UNSOLICITED_PONG)
                        await trio.sleep(SLOW_PAUSE_S)
            self.story.slow_cut += 1
            await trio.sleep(DEED_PAUSE_S)

    async def _make_noise(self) -> None:
        """Batches of long alerts of every severity, the same identities again and again."""
        alerts = [
            TriggerInput(
                framework_id=self._begin.noise,
                alert_type="noise",
                severity=_SEVERITIES[number % len(_SEVERITIES)],
                message=NOISE_TEXT,
                dedup_key=f"noise-{number}",
            )
            for number in range(NOISE_ALERTS)
        ]
        with await Talk.connect(self._begin.producer) as talk:
            await talk.greet()
            while True:
                await talk.say(m.Trigger(alerts=alerts))
                while (heard := await talk.hear()).type != "accepted":
                    if heard.type == "error":
                        self.story.cut_off += 1
                        self._complain(f"the noise was refused: {heard.message}")
                        break
                self.story.noise += 1
                await trio.sleep(NOISE_EVERY_S)

    async def _misbehave(self, name: str, deed: Deed) -> None:
        dice = random.Random(f"{self._begin.seed} {name}")  # noqa: S311  # as above
        while True:
            # Whatever the server does to it is right; what it does to others is seen at the others.
            with contextlib.suppress(Ended, OSError, BadStream), trio.move_on_after(DEED_MAX_S):
                await deed(self._begin.steady, dice)
            self._deeds[name] += 1
            if self._deeds.keys() == DEEDS.keys():
                self._all_came.set()
            await trio.sleep(dice.uniform(0.0, DEED_PAUSE_S))


async def serve(commands: CommandReader) -> None:
    """Obeys until the end of input."""
    while True:
        line = await _next_line(commands)
        if line is None:
            return
        begin = msgspec.json.decode(line, type=Command)
        if isinstance(begin, End):
            say(Story())
            continue
        company = Company(begin)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(company.run)
            say({"begun": True})
            if await _next_line(commands) is not None:
                await company.came()
            nursery.cancel_scope.cancel()
        say(company.told())


async def _next_line(commands: CommandReader) -> bytes | None:
    await trio.lowlevel.wait_readable(commands.fd)
    return commands.next_line()


def main() -> None:
    """The process: gone when its parent is."""
    raise_open_files()
    trio.run(partial(serve, CommandReader(CONTROL_FD)))


if __name__ == "__main__":
    main()
