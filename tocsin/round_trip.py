"""A look at a running engine through its own door: connect, say who we are, follow, ask, and hear a broadcast.

What the doctor's other checks see from outside, this one tries: that a client is let in, and hears what is told. Leaves
nothing behind but a line of the audit trail (the broadcast, which goes to this one connection). Waits at most
`ROUND_MAX_S`; whatever goes wrong is a finding, with the step that it went wrong at.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import trio

from engine.doctor.findings import Finding, Level
from protocol.errors import PermissionDenied, TocsinError
from protocol.hints import Broadcast
from tocsin.client import Client, ClientLimits

# Each step takes milliseconds; who waits longer has found something.
STEP_MAX_S = 5.0
ROUND_MAX_S = 15.0
# From the answer that a connection was told to its hearing it.
HEAR_MAX_S = STEP_MAX_S
CHECK = "round trip"
WORD = "tocsin doctor: is this heard?"
# Tells a connection something over HTTP. Raises TocsinError.
Tell = Callable[[str, str], Awaitable[None]]
ADVICE = {
    "connect": "is it the engine of this configuration, and is a proxy or firewall between? look into its log",
    "subscribe": "look into its log: connections are taken, but nobody can follow anything",
    "ping": "its loop is busy or stuck: look at tocsin_loop_lag_max_seconds",
    "broadcast": "look into its log: what is told does not reach a client",
}


@dataclass
class Round:
    """How far it came, and how long each step took."""

    step: str = "connect"
    took_ms: dict[str, float] = field(default_factory=dict)
    heard: trio.Event = field(default_factory=trio.Event)

    def done(self, next_step: str, began: float) -> None:
        """A step is behind us."""
        self.took_ms[self.step] = 1_000 * (trio.current_time() - began)
        self.step = next_step


async def round_trip(url: str, token: str, context: ssl.SSLContext | None, tell: Tell) -> list[Finding]:
    """One finding: how long each step took, or at which one it ended and why."""
    made = Round()
    try:
        with trio.fail_after(ROUND_MAX_S):
            await _go_round(made, url, token, context, tell)
    except trio.TooSlowError:
        return [_ended(made, "no end of it in time")]
    except TocsinError as fault:
        return [_ended(made, str(fault))]
    return [Finding(CHECK, Level.OK, f"{url}: {', '.join(_told(made))}")]


async def _go_round(made: Round, url: str, token: str, context: ssl.SSLContext | None, tell: Tell) -> None:
    limits = ClientLimits(connect_s=STEP_MAX_S, request_s=STEP_MAX_S)

    def hear(word: Broadcast) -> None:
        if word.message == WORD:
            made.heard.set()

    began = trio.current_time()
    async with Client(url, token, ssl_context=context, limits=limits, on_broadcast=hear) as client:
        made.done("subscribe", began)
        began = trio.current_time()
        await client.subscribe("workspace")
        made.done("ping", began)
        began = trio.current_time()
        await client.ping()
        made.done("broadcast", began)
        began = trio.current_time()
        session = client.session
        try:
            await tell(session.client_id if session else "", WORD)
        except PermissionDenied:
            return  # a viewer's token: all the rest was seen
        with trio.fail_after(HEAR_MAX_S):
            await made.heard.wait()
        made.done("", began)


def _told(made: Round) -> Iterator[str]:
    return (f"{step} {took_ms:.1f} ms" for step, took_ms in made.took_ms.items())


def _ended(made: Round, why: str) -> Finding:
    before = f" (before: {', '.join(_told(made))})" if made.took_ms else ""
    return Finding(CHECK, Level.FAIL, f"{made.step}: {why}{before}", ADVICE.get(made.step, ""))
