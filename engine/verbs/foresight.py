"""What would happen to these triggers, or readings, now? The verb behind every preview; nothing is stored or told.

Owns nothing. Each channel is asked once, for all of its items: it judges them as if they came together, each after
those before it (`engine.core.rehearsing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.mailbox import Envelope, Receipt
from engine.access.roles import check
from engine.verbs.answers import slot
from protocol.commands import Observe, Preview, Ring
from protocol.errors import BadRequest
from protocol.items import ItemResult
from protocol.model import Principal
from protocol.names import check_id
from protocol.previews import TooDear

# Of one request: of triggers 2 to 11 ms of a channel's time, in which nothing else runs. Readings cost as much as there
# are rules that hear them, which only the channel knows and bounds (`engine.core.rehearsing.REHEARSED_MAX`).
PREVIEWED_MAX = 100

# Puts commands of so many items, by framework, into the mailboxes. Raises TocsinError.
Hand = Callable[[Principal, dict[str, list[Envelope]], int], None]


class Foresight:
    """Asks channels what would happen."""

    def __init__(self, hand: Hand, answer_s: float) -> None:
        self._hand = hand
        self._answer_s = answer_s

    async def of(self, who: Principal, items: Sequence[tuple[str, Ring | Observe]]) -> list[ItemResult]:
        """What would be answered to each (`Previewed`): pairs of framework and command.

        Raises as `Service.trigger`, and BadRequest if there are too many, or too many rules would hear them.
        """
        check(who, "read")
        if len(items) > PREVIEWED_MAX:
            raise BadRequest(f"{len(items)} items in one preview, limit {PREVIEWED_MAX}: send fewer at a time")
        places: dict[str, list[int]] = {}
        for place, (framework, _) in enumerate(items):
            places.setdefault(check_id(framework, "framework_id"), []).append(place)
        answered, results = slot()
        receipt = Receipt(len(items), answered)
        asked = {
            framework: [Envelope(Preview(commands=tuple([items[place][1] for place in its])), receipt, *its)]
            for framework, its in places.items()
        }
        self._hand(who, asked, len(items))
        answers = await results(self._answer_s)
        for answer in answers:
            if isinstance(answer, TooDear):
                raise BadRequest(str(answer.message))
        return answers
