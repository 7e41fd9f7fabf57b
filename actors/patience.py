"""How an away store is waited for: soon asked again at first, then once a second; and a question until it is answered.

A store that is away is an outage, not a crash: whoever needs its answer waits, with growing pauses up to a second. (Two
questions at the start were asked once; a store that was away for half a minute just then ended the process.)
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import trio

from actors.restart import RestartPolicy, backoff_s
from protocol.errors import StoreUnavailable

T = TypeVar("T")
log = structlog.get_logger()

STORE_RETRY = RestartPolicy(first_delay_s=0.05, max_delay_s=1.0)


async def pause(attempt: int) -> None:
    """Waits before the store is tried again, after so many attempts in a row; spread, so that not all come at once."""
    await trio.sleep(backoff_s(STORE_RETRY, attempt, random.random()))  # noqa: S311  # jitter, not a secret


async def answered(ask: Callable[[], Awaitable[T]], what: str) -> T:
    """The store's answer, however long it is away. `what` is asked for, for the log."""
    attempt = 0
    while True:
        try:
            return await ask()
        except StoreUnavailable as fault:
            attempt += 1
            log.warning("store_does_not_answer", wanted=what, attempt=attempt, cause=str(fault))
            await pause(attempt)
