"""Says on an alert's stream that its chain of escalation goes on; asks its channel, which alone knows whether it may.

Owns nothing. Waits for the channel at most as long as whoever triggers an alert does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from actors.mailbox import Envelope, Receipt
from actors.registry import Registry
from engine.verbs.answers import slot
from protocol.commands import Escalate
from protocol.items import ItemResult
from protocol.model import ChannelKey

# Raises Busy: nobody knows yet; ask again.
SayOnStream = Callable[[ChannelKey, Escalate], Awaitable[ItemResult]]


def word_on_streams(registry: Registry, answer_s: float) -> SayOnStream:
    """How to say it in these channels."""

    async def say(key: ChannelKey, command: Escalate) -> ItemResult:
        answered, answers = slot()
        registry.cell(key).put_all([Envelope(command, Receipt(1, answered), 0)])
        (result,) = await answers(answer_s)
        return result

    return say
