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
    """What would be answered. `rules`: what each rule would answer to a reading; the loudest of them is the answer."""

    rule_id: str | None = None
    checks: tuple[Check, ...] = ()
    rules: tuple[Previewed, ...] = ()
