"""What of that which was put aside goes with a digest."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.gathering import by_weight, gather
from protocol.model import AlertState, Severity
from protocol.notify import Change, DeliveryState, Recipient, Why
from tests.support.alerts import an_alert
from tests.support.deliveries import a_delivery
from tests.support.stores import NOW

PUT_ASIDE = {"due": NOW, "why": Why.DIGEST}
BEGAN = a_delivery(**PUT_ASIDE)
ENDED = a_delivery(version="2", change=Change.RESOLVED, **PUT_ASIDE)
SENT, FAILED = DeliveryState.SENT, DeliveryState.FAILED


@pytest.mark.parametrize(
    ("line", "known", "there", "why"),
    [
        (BEGAN, [BEGAN], ["a1"], None),
        (BEGAN, [], [], Why.OVER),
        # At once meanwhile, before it, by another digest, and to somebody else.
        (BEGAN, [a_delivery(version="2", at=NOW + 1, state=SENT)], ["a1"], Why.TOLD),
        (BEGAN, [a_delivery(version="2", at=NOW - 1, state=SENT)], ["a1"], None),
        (BEGAN, [a_delivery(version="2", at=NOW + 1, state=SENT, due=NOW + 1)], ["a1"], None),
        (BEGAN, [a_delivery(version="2", at=NOW + 1, state=SENT, recipient=Recipient(user="bob"))], ["a1"], None),
        (BEGAN, [a_delivery(version="2", at=NOW + 1, state=FAILED)], ["a1"], None),
        # At once, as soon as its target takes it; what is no beginning would not be told without this one.
        (BEGAN, [a_delivery(version="2", at=NOW + 1, change=Change.RAISED)], ["a1"], Why.TOLD),
        (BEGAN, [a_delivery(version="2", at=NOW + 1, change=Change.RESOLVED)], ["a1"], None),
        (BEGAN, [a_delivery(version="2", at=NOW + 1, change=Change.RAISED, due=NOW + 1)], ["a1"], None),
        # Done only if start was sent, or goes with this digest.
        (ENDED, [BEGAN, ENDED], ["a1"], None),
        (ENDED, [a_delivery(state=SENT, at=NOW - 1), ENDED], ["a1"], None),
        (ENDED, [a_delivery(state=FAILED), ENDED], ["a1"], Why.NOT_TOLD),
        (ENDED, [], ["a1"], Why.NOT_TOLD),
    ],
)
def test_a_line_goes_with_the_digest_unless_there_is_a_reason(line: Any, known: Any, there: Any, why: Any) -> None:
    told, dropped = gather([line], {"a1": known}, there)
    assert (told, dropped) == (([line], []) if why is None else ([], [(line, why)]))


def test_the_open_and_severe_ones_come_first() -> None:
    over = an_alert(id="over", severity=Severity.CRITICAL, state=AlertState.RESOLVED)
    small, great = an_alert(id="small"), an_alert(id="great", severity=Severity.ERROR)
    assert [alert.id for alert in by_weight([over, small, great])] == ["great", "small", "over"]
