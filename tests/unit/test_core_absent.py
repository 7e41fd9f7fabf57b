"""Names behind which there is nobody have an answer each, and nobody else has."""

from __future__ import annotations

from engine.core.absent import Meant, absent
from engine.core.routing import Answer
from protocol.endpoints import Endpoint
from protocol.notify import Channel

PAGER = Endpoint(id="pager", channel=Channel.SLACK, name="The pager")


def said(meant: Meant) -> list[str]:
    """With ann and the pager there."""
    return [
        f"{each.recipient.name} {each.answer.value} {each.why.value if each.why else '-'}"
        for each in absent(meant, {"ann"}, [PAGER])
    ]


def test_who_is_there_has_no_answer_here() -> None:
    answering = {"ops": ("bob", "ann")}
    assert said(Meant(("ann",), ("ops",), ("pager", "The pager"), answering)) == []
    assert said(Meant()) == []


def test_each_name_behind_which_there_is_nobody_is_answered_once() -> None:
    meant = Meant(
        ("ghost", "ann", "ghost"), ("web", "ops", "empty", "web"), ("nope", "nope"), {"ops": ("bob",), "empty": ()}
    )
    assert said(meant) == [
        "user:ghost suppress unknown",
        "team:web suppress unknown",
        "team:ops suppress nobody",
        "team:empty suppress nobody",
        "endpoint:nope suppress unknown",
    ]


def test_an_endpoint_without_a_name_is_known_by_its_id_alone() -> None:
    nameless = Endpoint(id="hook", channel=Channel.WEBHOOK)
    found = absent(Meant(endpoints=("hook", "")), (), [nameless])
    assert [each.recipient.name for each in found] == ["endpoint:"]


def test_nothing_is_sent_to_nobody() -> None:
    (answer,) = absent(Meant(("ghost",)), {}, [])
    assert (answer.answer, answer.due) == (Answer.SUPPRESS, None)
