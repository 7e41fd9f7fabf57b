"""Letters to all other nodes that each of them confirms once it knows what they tell.

Owns: the letters that are under way. Who has changed something is answered when the others know it, so that whatever
is sent to any node after that is decided with it. A node that does not confirm within CONFIRM_S (it is dead, stopped,
too busy, or of a version that does not confirm) is not waited for: it is counted, and hears of it later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog
import trio

from engine.nodes.post import Post
from protocol.forwarding import Confirmed

log = structlog.get_logger()

# A node that is there has read it after milliseconds; whoever changes something must not wait for one that is not.
CONFIRM_S = 1.0


class _UnderWay:
    """One letter: who has not confirmed it yet, and how long that is waited for."""

    def __init__(self, nodes: Sequence[str], until: float) -> None:
        self.missing = set(nodes)
        self.until = until
        self.done = trio.Event()


class Receipts:
    """What this node has told the others. `others`: who they are at the moment."""

    def __init__(self, post: Post, others: Callable[[], Sequence[str]], new_id: Callable[[], str]) -> None:
        self._others = others
        self._new_id = new_id
        # The oldest first.
        self._under_way: dict[str, _UnderWay] = {}
        self.unconfirmed = 0
        post.on(Confirmed, self._confirmed)

    def statistics(self) -> Mapping[str, int]:
        """Confirmations that did not come in time."""
        return {"unconfirmed": self.unconfirmed}

    def expect(self) -> str:
        """The id for a letter that is sent now and is to be confirmed; empty if there is nobody who could."""
        self._give_up()
        nodes = self._others()
        if not nodes:
            return ""
        number = self._new_id()
        self._under_way[number] = _UnderWay(nodes, trio.current_time() + CONFIRM_S)
        return number

    async def caught_up(self) -> None:
        """Returns once the others know all that they were told before, or CONFIRM_S later."""
        for letter in list(self._under_way.values()):
            with trio.move_on_at(letter.until):
                await letter.done.wait()
        self._give_up()

    def _confirmed(self, receipt: Confirmed) -> None:
        for number in receipt.ids:
            letter = self._under_way.get(number)
            if letter is not None:
                letter.missing.discard(receipt.origin)
                if not letter.missing:
                    del self._under_way[number]
                    letter.done.set()

    def _give_up(self) -> None:
        now = trio.current_time()
        late = set[str]()
        for number, letter in list(self._under_way.items()):
            if letter.until > now:
                break
            del self._under_way[number]
            self.unconfirmed += len(letter.missing)
            late |= letter.missing
        if late:
            log.warning("change_unconfirmed", nodes=sorted(late), after_s=CONFIRM_S)
