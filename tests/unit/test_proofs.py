"""Whose turn it is to be told that nothing was missed."""

from __future__ import annotations

from actors.audience import Audience, channel_offset
from actors.proofs import Proofs
from protocol.codec import WireForm
from protocol.messages import PositionMessage
from protocol.model import Severity
from tests.support.actors import Receiver

JSON, INFO = WireForm.JSON, Severity.INFO


def an_audience(name: str, told: int = 0) -> Audience:
    return Audience(f"alerts:acme:{name}", "e1", told, 0, channel_offset)


def proven(receiver: Receiver) -> list[int]:
    assert all(isinstance(message, PositionMessage) for message in receiver.messages)
    return [message.offset for message in receiver.messages if isinstance(message, PositionMessage)]


def test_after_as_many_calls_as_there_are_turns_everybody_has_had_one_proof() -> None:
    proofs, receivers = Proofs(lambda: 0, turns=5), []
    for number in range(100):
        audience, receiver = an_audience(f"c{number}", told=number), Receiver()
        audience.attach(receiver, JSON, INFO)
        proofs.follow(audience)
        receivers.append(receiver)
    proofs.prove()
    assert 0 < sum(len(receiver.messages) for receiver in receivers) < 50, "each call serves its share"
    for _ in range(4):
        proofs.prove()
    assert [proven(receiver) for receiver in receivers] == [[number] for number in range(100)]


def test_a_stream_that_many_follow_has_one_turn() -> None:
    proofs, audience, receivers = Proofs(lambda: 0), an_audience("web", told=7), [Receiver(), Receiver()]
    for receiver in receivers:
        audience.attach(receiver, JSON, INFO)
        proofs.follow(audience)
    proofs.prove()
    assert [proven(receiver) for receiver in receivers] == [[7], [7]]


def test_a_stream_that_nobody_follows_any_more_is_forgotten_and_may_come_back() -> None:
    proofs, audience, receiver = Proofs(lambda: 0), an_audience("web"), Receiver()
    group = audience.attach(receiver, JSON, INFO)
    proofs.follow(audience)
    audience.detach(receiver, group)
    assert len(proofs) == 1
    proofs.prove()
    assert (len(proofs), proven(receiver)) == (0, [])
    audience.attach(receiver, JSON, INFO)
    proofs.follow(audience)
    proofs.prove()
    assert proven(receiver) == [0]
