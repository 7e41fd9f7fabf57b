"""Conversations of a client with a server, recorded with the Python client: vectors for clients in other languages.

A script says what is done and heard; the Python client's own dialogue, pauses and verdicts say what must be sent, told
and answered to each. `tests/golden/conversations.jsonl` has one conversation a line, `docs/javascript.md` their form.
Time is the trio clock's and only moves when a script says so; chance is a part of the script.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import trio
from trio.testing import MockClock

from protocol import messages as m
from protocol.codec import WireForm, decode_server, encode
from protocol.errors import BadRequest, TocsinError
from protocol.model import Severity
from tocsin.backoff import Backoff
from tocsin.buffer import AlertBuffer
from tocsin.connection import Ended, Endpoint
from tocsin.dialogue import Dialogue
from tocsin.errors import ClientStopped, ConnectionLost
from tocsin.freshness import refresh_after_s
from tocsin.life import Life
from tocsin.link import Link, Target
from tocsin.slot import Slot

FILE = Path(__file__).parents[1] / "golden" / "conversations.jsonl"
URL = "ws://engine:3008"
# What the wall clock says when the conversation begins: 2026-01-01T00:00:00Z.
WALL_S = 1_767_225_600.0
Json = Any


async def _a_token() -> str:
    return "fresh"


class Told(AlertBuffer):
    """Takes the alerts as the program's buffer would, and writes down everything that the program is told."""

    def __init__(self) -> None:
        super().__init__(limit=1_000_000)
        self.said: list[Json] = []

    def append(self, alert: m.AlertMessage) -> None:
        """An alert is handed on."""
        place = {"channel": alert.channel, "epoch": alert.epoch, "offset": alert.offset}
        self.said.append({"alert": place | {"event": alert.event.value, "ids": alert.ids}})


class Recorder:
    """Does to a Python client what a script says, and writes down what comes of it."""

    def __init__(self, clock: MockClock, fresh_tokens: bool, received: bool) -> None:
        self._clock = clock
        self._told = Told()
        self._sent: list[m.ClientMessage] = []
        self._slots: dict[str, Slot] = {}
        self._life = Life()
        say = self._told.said.append
        self._dialogue = Dialogue(
            self._told,
            fresh_tokens,
            on_lost=lambda lost: say({"lost": {"channel": lost.channel, "reason": lost.reason}}),
            on_gap=lambda gap: say({"gap": _plain(gap)}),
            says_received=received,
            on_broadcast=lambda word: say({"broadcast": _plain(word)}),
            on_notification=lambda notice: say({"notification": {"key": notice.key}}),
        )
        self._fresh_tokens = fresh_tokens
        token = _a_token if fresh_tokens else "t"
        target = Target(URL, Endpoint.of(URL), token, WireForm.JSON)
        self._link = Link(target, self._dialogue, self._told, lambda state, why: None)
        self._backoff = Backoff(trio.current_time())
        self.steps: list[Json] = []

    @property
    def counters(self) -> Json:
        """What the client has counted."""
        return dataclasses.asdict(self._dialogue.counters)

    def open(self, token: str = "t") -> None:
        """A connection is open."""
        self._life = Life()
        self._dialogue.opened(self._life, self._sent.append, token)
        self._note({"open": {"token": token}})

    def hear(self, *messages: m.ServerMessage | Json) -> None:
        """The server says these; what is no message of ours is said as it stands."""
        for message in messages:
            self._hear(message if isinstance(message, dict) else _plain(message))

    def subscribe(self, channel: str, min_severity: Severity = Severity.INFO, snapshot: bool = False) -> None:
        """The program wants a channel."""
        slot = self._dialogue.subscribe(channel, min_severity, snapshot)
        if slot is not None:
            self._slots[channel] = slot
        asked = {"channel": channel, "min_severity": min_severity.value, "snapshot": snapshot}
        self._note({"subscribe": asked}, known=slot is None)

    def unsubscribe(self, channel: str) -> None:
        """The program wants a channel no more."""
        self._slots.pop(channel, None)
        self._dialogue.unsubscribe(channel)
        self._note({"unsubscribe": channel})

    def recover(self, gap: m.GapMessage) -> None:
        """The program wants what was left out."""
        self._note({"recover": _plain(gap)}, asked=self._dialogue.recover(gap))

    def request(self, make: Callable[[int], m.ClientMessage]) -> None:
        """The program asks for something."""
        number = self._dialogue.next_id()
        self._slots[f"#{number}"] = self._dialogue.pending[number] = Slot()
        self._dialogue.counters.requests += 1
        self._sent.append(make(number))
        asked = _plain(make(number))
        del asked["id"]
        self._note({"request": asked})

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self._clock.jump(seconds)
        self._note({"wait_s": seconds})

    def broken(self, reason: str = "the connection broke", code: int | None = None, chance: float = 0.5) -> None:
        """The connection is over, or did not come about; or it is ended by us, as the client itself wanted."""
        ended = self._life.verdict or Ended(reason, code)
        ready_at, now = self._life.ready_at, trio.current_time()
        self._dialogue.counters.failed_connects += ready_at is None
        self._dialogue.broken(ended.reason)
        failure = self._link._verdict(ended, is_late=False)
        step = {"broken": {"reason": ended.reason, "code": ended.code, "chance": chance}}
        asked_s, self._life = self._life.asked_s, Life()
        if isinstance(failure, ClientStopped):
            self._dialogue.ended(failure)
            self._note(step, stopped={"reason": failure.message, "close_code": failure.close_code})
            return
        self._backoff.ended(now, 0.0 if ready_at is None else now - ready_at)
        self._note(step, pause_s=self._backoff.delay(now, chance, asked_s))

    def _hear(self, said: Json) -> None:
        self._dialogue.counters.messages_received += 1
        seen: Json = {}
        try:
            message = decode_server(json.dumps(said), WireForm.JSON)
        except BadRequest:
            self._dialogue.counters.unreadable += 1
        else:
            self._dialogue.hear(message, self._life)
            if isinstance(message, m.AuthSuccess) and self._fresh_tokens:
                seen["refresh_after_s"] = refresh_after_s(message, WALL_S + trio.current_time())
        if self._life.verdict is not None:
            seen["hang_up"] = {"reason": self._life.verdict.reason, "code": self._life.verdict.code}
        self._note({"hear": said}, **seen)

    def _note(self, step: Json, **seen: Json) -> None:
        """Writes a step down with all that came of it."""
        places = {name: _place(wanted) for name, wanted in self._dialogue._conversation.subscriptions.items()}
        what = {"send": [_plain(message) for message in self._sent], "told": list(self._told.said)}
        what |= {"answers": self._answers(), **seen, "state": self._dialogue.state.value, "places": places}
        self.steps.append(step | {name: value for name, value in what.items() if value not in ([], {})})
        self._sent.clear()
        self._told.said.clear()

    def _answers(self) -> dict[str, Json]:
        """What those who waited for an answer have got in this step, by channel or `#` and the request's id."""
        answered = {name: slot._answers[0] for name, slot in self._slots.items() if slot._answers}
        for name in answered:
            del self._slots[name]
            if name.startswith("#"):
                del self._dialogue.pending[int(name[1:])]
        return {name: _answer(answer) for name, answer in answered.items()}


def record(name: str, script: Callable[[Recorder], None], fresh_tokens: bool, received: bool) -> str:
    """One line of the file."""

    async def run() -> Json:
        recorder = Recorder(clock, fresh_tokens, received)
        script(recorder)
        options = {"fresh_tokens": fresh_tokens, "received": received}
        return {"name": name, "options": options, "steps": recorder.steps, "counters": recorder.counters}

    clock = MockClock()
    return json.dumps(trio.run(run, clock=clock), ensure_ascii=False)


def _plain(message: Any) -> Json:
    """A message as the JSON form has it."""
    return msgspec.json.decode(encode(message, WireForm.JSON))


def _place(wanted: Any) -> Json:
    position = wanted.follower.position()
    return None if position is None else [position.epoch, position.offset]


def _answer(answer: m.ServerMessage | TocsinError) -> Json:
    if isinstance(answer, ConnectionLost | ClientStopped):
        return {"fault": type(answer).__name__}
    if isinstance(answer, TocsinError):
        return {"fault": "TocsinError", "code": answer.code, "temporary": answer.temporary}
    return _plain(answer)
