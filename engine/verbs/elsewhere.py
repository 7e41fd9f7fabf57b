"""The verbs that reach over all nodes: connections there, broadcasts there, tickets that were made there.

Owns nothing. Each has two halves: what `Elsewhere` asks of the others, and what `answer_others` answers when they ask,
from what this node has in memory. A node that does not answer is left out. A ticket names the run of the process that
made it, and only that one knows it, so it is good once however many nodes are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from engine.access.identity import Identity
from engine.nodes.membership import Membership
from engine.nodes.news import News
from engine.nodes.questions import Questions
from engine.others import ConnectionInfo, ConnectionsAsked, EndAsked
from engine.verbs.broadcasts import Broadcasts
from engine.verbs.operators import Operators
from protocol.codec import DECODER_FAULTS
from protocol.errors import TocsinError
from protocol.hints import Broadcast
from protocol.model import Principal

T = TypeVar("T")
log = structlog.get_logger()

# Ours have 52; whatever else a stranger sends is asked of nobody.
TICKET_MAX_CHARS = 100


class _Has(msgspec.Struct, frozen=True):
    workspace: str | None
    client_id: str


class _Say(msgspec.Struct, frozen=True):
    workspace: str
    word: Broadcast


class Elsewhere:
    """The other nodes (`engine.others.Others`)."""

    are_there = True

    def __init__(self, questions: Questions, membership: Membership, news: News) -> None:
        self._questions = questions
        self._membership = membership
        self.hint = news.hint
        self.revocations_changed = news.revocations_changed
        self.caught_up = news.caught_up

    async def connections(self, asked: ConnectionsAsked) -> Sequence[ConnectionInfo]:
        """Those of all other nodes, each node's oldest ones."""
        answers = await self._ask("connections", asked, list[ConnectionInfo])
        return [each for found in answers.values() for each in found]

    async def end(self, asked: EndAsked) -> int:
        """Ends connections on other nodes; how many there were."""
        return sum((await self._ask("end", asked, int)).values())

    async def has(self, workspace: str | None, client_id: str) -> bool:
        """Whether another node has this connection."""
        return any((await self._ask("has", _Has(workspace, client_id), bool)).values())

    async def say(self, workspace: str, word: Broadcast) -> int:
        """Tells it on other nodes; how many heard it."""
        return sum((await self._ask("say", _Say(workspace, word), int)).values())

    async def redeem(self, ticket: str) -> Principal | None:
        """Whose ticket this is, if it was made on another node that is there and says so."""
        run, dot, _ = ticket.partition(".")
        is_ours = dot and ticket.isascii() and len(ticket) <= TICKET_MAX_CHARS
        nodes = [node for node in self._membership.others() if _run_of(node) == run] if is_ours else []
        answers = await self._ask("redeem", ticket, Principal | None, nodes)
        return next(iter(answers.values()), None)

    async def _ask(self, about: str, body: Any, kind: Any, nodes: Sequence[str] | None = None) -> Mapping[str, Any]:
        asked = self._membership.others() if nodes is None else nodes
        answers = await self._questions.ask(asked, about, body)
        found: dict[str, Any] = {}
        for node, answer in answers.items():
            try:
                found[node] = _read(answer, kind)
            except DECODER_FAULTS as fault:
                # During an upgrade it may be newer: left out, as one that does not answer.
                log.warning("answer_of_another_version", about=about, node=node, cause=str(fault))
        return found


def answer_others(questions: Questions, me: str, operators: Operators, broadcasts: Broadcasts, gate: Identity) -> None:
    """Answers, from now on, what other nodes ask of this one, whose id is `me`."""
    gate.tickets.prefix = f"{_run_of(me)}."
    questions.answer("connections", lambda body: operators.here(_read(body, ConnectionsAsked)))
    questions.answer("end", lambda body: operators.end_here(_read(body, EndAsked)))
    questions.answer("has", lambda body: _has(operators, _read(body, _Has)))
    questions.answer("say", lambda body: _say(broadcasts, _read(body, _Say)))
    questions.answer("redeem", lambda body: _redeem(gate, _read(body, str)))


def _run_of(node: str) -> str:
    """The part of a node's id that says which run of its process it is, and nothing of its host."""
    return node.rpartition(".")[2]


def _read(body: msgspec.Raw, kind: type[T]) -> T:
    return msgspec.msgpack.decode(body, type=kind)


def _redeem(gate: Identity, ticket: str) -> Principal | None:
    try:
        return gate.redeem(ticket)
    except TocsinError:
        return None


def _has(operators: Operators, asked: _Has) -> bool:
    return operators.is_here(asked.workspace, asked.client_id)


def _say(broadcasts: Broadcasts, asked: _Say) -> int:
    return broadcasts.tell(asked.workspace, asked.word)
