"""What a language model is asked about an insight, and what is kept of its answer. Pure.

It is told scores, sides of health, and what contributes by how much, with the ids of rules and the names of metrics and
of the framework: no label, title, message, note or id of an alert, because nobody knows what producers write there.
What it says is somebody's free text: one paragraph, cut, without characters that steer anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from protocol.codec import DECODER_FAULTS
from protocol.insights import Contribution, Insight

TEXT_MAX_CHARS = 1_500
TOKENS_MAX = 400
_ASK = (
    "You explain the health of a monitored system to its operators in at most five plain sentences. Use only the"
    " numbers that you are given, and say what to look at first. Do not invent causes."
)


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_decode = msgspec.json.Decoder(_Answer).decode


def question_of(insight: Insight, model: str) -> bytes:
    """The body of a request for a chat completion."""
    facts = {
        "framework": insight.framework_id,
        "health": insight.health,
        "risk": insight.risk,
        "categories": {side.category.value: side.health for side in insight.categories},
        "lost_points": _parts(insight.pulled_down),
        "risk_points": _parts(insight.risks),
        "change_of_health": {f"{trend.days}_days": trend.change for trend in insight.trends},
    }
    messages = [
        {"role": "system", "content": _ASK},
        {"role": "user", "content": msgspec.json.encode(facts).decode()},
    ]
    return msgspec.json.encode({"model": model, "messages": messages, "max_tokens": TOKENS_MAX, "temperature": 0})


def _parts(contributions: Iterable[Contribution]) -> list[dict[str, Any]]:
    return [
        {
            "because": None if each.because is None else each.because.value,
            "of": each.source,
            "category": None if each.category is None else each.category.value,
            "points": each.points,
            "what": each.text,
        }
        for each in contributions
    ]


def text_of(answer: bytes) -> str | None:
    """What the model said, as it is kept; None: it said nothing that can be read."""
    try:
        choices = _decode(answer).choices
    except DECODER_FAULTS:
        return None
    said = choices[0].message.content if choices else ""
    plain = "".join(char if char.isprintable() else " " for char in said)
    return " ".join(plain.split())[:TEXT_MAX_CHARS] or None
