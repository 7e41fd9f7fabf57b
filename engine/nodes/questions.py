"""Questions to other nodes that only they can answer: who is connected there, whose ticket this is.

Owns: the questions that are under way. Each is answered within ANSWER_S or counts as not answered: a node that is dead,
or too busy, is left out, and whoever asked is told what the others said. Whoever is asked answers at once, on the loop,
from memory, and each question once, because somebody may repeat it: whom it would end may be back. A question is never
sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
import trio

from actors.forwarding import LetterTooLarge
from actors.ports import Clock
from engine.nodes.post import Post
from protocol.forwarding import Asked, ForeignLetter, Replied, check_age

log = structlog.get_logger()

# A node that is there answers in milliseconds; a page that shows the others must not wait for one that is not.
ANSWER_S = 1.0

# Ids of questions that are remembered, so that none is answered twice: minutes of a busy desk, 2 MB.
TAKEN_MAX = 10_000

# Answers a question from its body: what is sent back. Raises ForeignLetter, msgspec.DecodeError.
Handler = Callable[[msgspec.Raw], Any]


class _Pending:
    """A question that is under way: who has not answered yet, and what the others said."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.missing = set(nodes)
        self.answers: dict[str, msgspec.Raw] = {}
        self.done = trio.Event()


class Questions:
    """Both ends of it, for one node."""

    def __init__(self, post: Post, new_id: Callable[[], str], clock: Clock) -> None:
        self._post = post
        self._clock = clock
        # Questions that were answered and are still fresh, by their ids, with the time when they were sent.
        self._taken: dict[str, int] = {}
        self._forgotten_at = 0
        self._new_id = new_id
        self._handlers: dict[str, Handler] = {}
        self._pending: dict[str, _Pending] = {}
        self.asked = self.answered = self.unanswered = 0
        post.on(Asked, self._was_asked)
        post.on(Replied, self._replied)

    def statistics(self) -> Mapping[str, int]:
        """Questions asked and answered, and answers that did not come in time."""
        return {"asked": self.asked, "answered": self.answered, "unanswered": self.unanswered}

    def answer(self, about: str, handler: Handler) -> None:
        """What to answer to questions of this kind."""
        self._handlers[about] = handler

    async def ask(self, nodes: Sequence[str], about: str, body: Any) -> Mapping[str, msgspec.Raw]:
        """What these nodes answer, as far as they do in time."""
        if not nodes:
            return {}
        number = self._new_id()
        pending = self._pending[number] = _Pending(nodes)
        packed = msgspec.Raw(msgspec.msgpack.encode(body))
        letter = Asked(origin=self._post.node, id=number, about=about, body=packed, at=self._clock())
        self.asked += 1
        try:
            for node in nodes:
                self._post.send(node, letter)
            with trio.move_on_after(ANSWER_S):
                await pending.done.wait()
        finally:
            del self._pending[number]
        if pending.missing:
            self.unanswered += len(pending.missing)
            log.warning("question_unanswered", about=about, nodes=sorted(pending.missing))
        return pending.answers

    def _was_asked(self, letter: Asked) -> None:
        handler = self._handlers.get(letter.about)
        if handler is None:
            raise ForeignLetter(f"nothing here is about {letter.about[:32]!r}")
        self._take(letter)
        try:
            answer = handler(letter.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise ForeignLetter(str(fault)) from fault
        self.answered += 1
        body = msgspec.Raw(msgspec.msgpack.encode(answer))
        try:
            self._post.send(letter.origin, Replied(origin=self._post.node, id=letter.id, body=body))
        except LetterTooLarge:
            log.warning("answer_too_large", about=letter.about)

    def _take(self, letter: Asked) -> None:
        """Each question is good once, and soon. Raises ForeignLetter."""
        check_age(letter.at, self._clock())
        if letter.id in self._taken or letter.at <= self._forgotten_at:
            raise ForeignLetter("it was asked before")
        self._taken[letter.id] = letter.at
        if len(self._taken) > TAKEN_MAX:
            oldest = next(iter(self._taken))
            self._forgotten_at = max(self._forgotten_at, self._taken.pop(oldest))

    def _replied(self, letter: Replied) -> None:
        pending = self._pending.get(letter.id)
        if pending is not None and letter.origin in pending.missing:
            pending.missing.discard(letter.origin)
            pending.answers[letter.origin] = letter.body
            if not pending.missing:
                pending.done.set()
