"""Targets of notifications as they are: a fifth of what they are asked fails, one way or another.

They keep what they were asked and what they took, each by the key under which it came, for whoever compares that with
the ledger afterwards. Which requests fail is drawn from a seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.http_sink import Behaviour, Got, answer, break_off, drip_headers, hang

FAILS = 0.2
# One more than this opens the sender's circuit, which is tested elsewhere and costs half a minute.
IN_A_ROW_MAX = 3
# Of what fails; who hangs or drips holds a worker until the engine's patience is over. (It is the headers that drip:
# who has said its status has answered.)
FAILURES: dict[Behaviour, int] = {answer(500): 10, answer(503): 10, break_off: 5, hang: 1, drip_headers: 1}

KeyOf = Callable[[Got], str]


def webhook_id(got: Got) -> str:
    """What a receiver of webhooks tells messages apart by."""
    return got.headers["webhook-id"]


def title(got: Got) -> str:
    """The title of the alert: an incoming webhook of Slack's has no key, and each alert here has one title."""
    text: str = got.json["text"]
    return text.rpartition(" ")[2]


@dataclass
class Unreliable:
    """What one target was asked, and what it took."""

    seed: int
    asked: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._in_a_row = 0

    def fails(self) -> bool:
        """Whether it fails this time."""
        is_bad = self._in_a_row < IN_A_ROW_MAX and self._chance.random() < FAILS
        self._in_a_row = self._in_a_row + 1 if is_bad else 0
        return is_bad

    def take(self, key: str) -> Behaviour:
        """It takes this one."""
        self.taken[key] += 1
        return answer(200)

    def flaky(self, key_of: KeyOf = webhook_id) -> Callable[[Got], Behaviour]:
        """Fails every fifth time: with 5xx, without an answer, with one that never ends."""

        def usual(got: Got) -> Behaviour:
            self.asked[key := key_of(got)] += 1
            if self.fails():
                return self._chance.choices(list(FAILURES), list(FAILURES.values()))[0]
            return self.take(key)

        return usual

    def limited(self, share: float = 0.02) -> Callable[[Got], Behaviour]:
        """Asks for a pause of a second now and then."""

        def usual(got: Got) -> Behaviour:
            self.asked[key := webhook_id(got)] += 1
            return answer(429, Retry_After="1") if self._chance.random() < share else self.take(key)

        return usual

    def gone(self, after: int = 3) -> Callable[[Got], Behaviour]:
        """Takes a few, and then says that it is gone."""

        def usual(got: Got) -> Behaviour:
            self.asked[key := webhook_id(got)] += 1
            return answer(410) if self.taken.total() >= after else self.take(key)

        return usual
