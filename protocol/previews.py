"""What would happen to a trigger or a reading now, and why: every reason in its order, whether it holds or not."""

from __future__ import annotations

import msgspec

from protocol.items import ItemResult
from protocol.model import Reason


class Check(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One reason, whether it holds now, and what about it. The first that holds is the answer."""

    reason: Reason
    holds: bool
    text: str


class Previewed(ItemResult, frozen=True, gc=False, kw_only=True, rename="camel"):
    """What would be answered. `rules`: what each rule would answer to a reading, the loudest first; that is the answer.

    Of very many rules only the loudest are there; `moreRules`: how many others would answer something, too.
    """

    rule_id: str | None = None
    checks: tuple[Check, ...] = ()
    rules: tuple[Previewed, ...] = ()
    more_rules: int = 0


class TooDear(ItemResult, frozen=True, gc=False, kw_only=True, rename="camel"):
    """The answer to each item of a list that so many rules would hear that it is not judged at all: `message`."""
