"""The verdict about a firing, and what a standing counts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.core import suppression
from engine.core.agenda import NEVER
from engine.core.lifecycle import born
from engine.core.rules.book import fill
from engine.core.suppression import WINDOW_MAX_S, Standing, Verdict, decide, window_us
from protocol.commands import Ring
from protocol.model import AlertState, Comparison, Severity
from protocol.rows import Row, SourceReport, SuppressionWindow
from protocol.times import rfc3339

ALERT = born("id", "f", fill(Ring(title="disk", severity=Severity.ERROR), None), rfc3339(0))
UNTIL = 100


def standing(state: AlertState = AlertState.ACTIVE, until: int = UNTIL, ends: tuple[int, ...] = ()) -> Standing:
    sources = tuple(
        SourceReport(labels={"n": str(n)}, annotations={}, starts_at=0, ends_at=end) for n, end in enumerate(ends)
    )
    return Standing(
        Row(alert=replace(ALERT, state=state), identity="i", window=SuppressionWindow(until=until), sources=sources)
    )


OPEN, TAKEN = AlertState.ACTIVE, AlertState.ACKNOWLEDGED
OVER, GONE = AlertState.RESOLVED, AlertState.EXPIRED
SAME, LOUDER, QUIETER = Severity.ERROR, Severity.CRITICAL, Severity.INFO


@pytest.mark.parametrize(
    ("state", "severity", "now", "is_resent", "verdict"),
    [
        (None, SAME, 0, False, suppression.FIRED),
        (OPEN, SAME, 99, False, suppression.DUPLICATE),
        (OPEN, QUIETER, 99, False, suppression.DUPLICATE),
        (OPEN, LOUDER, 99, False, suppression.RAISED),
        (OPEN, LOUDER, 100, False, suppression.RAISED),
        (OPEN, LOUDER, 99, True, suppression.RAISED),
        (OPEN, SAME, 100, False, suppression.REPEATED),
        (OPEN, SAME, 99, True, suppression.REFRESHED),
        (OPEN, SAME, 100, True, suppression.REFRESHED),
        (TAKEN, SAME, 99, False, suppression.DUPLICATE),
        (TAKEN, SAME, 100, False, suppression.REPEATED),
        (TAKEN, LOUDER, 99, False, suppression.RAISED),
        (OVER, SAME, 99, False, suppression.COOLDOWN),
        (OVER, SAME, 99, True, suppression.COOLDOWN),
        (OVER, LOUDER, 99, False, suppression.FIRED),
        (OVER, SAME, 100, False, suppression.FIRED),
        (GONE, SAME, 99, False, suppression.COOLDOWN),
        (GONE, QUIETER, 100, False, suppression.FIRED),
    ],
)
def test_the_verdict(state: AlertState | None, severity: Severity, now: int, is_resent: bool, verdict: Verdict) -> None:
    assert decide(None if state is None else standing(state), severity, now, is_resent) is verdict


def test_a_window_is_at_least_nothing_and_at_most_a_year() -> None:
    assert window_us(1.5) == 1_500_000
    assert window_us(-1.0) == 0
    assert window_us(1e308) == int(WINDOW_MAX_S * 1e6) < 2**53


def test_a_window_counts_first_last_and_worst_and_its_receipt_empties_it() -> None:
    one = standing()
    for now, value in ((3, 5.0), (4, None), (7, 9.0), (8, 6.0)):
        one.swallow(now, value, Comparison.ABOVE)
    receipt = one.receipt()
    assert (receipt.count, receipt.first_at, receipt.last_at) == (4, rfc3339(3), rfc3339(8))
    assert receipt.worst_value == 9.0
    assert one.row().window == SuppressionWindow(until=UNTIL)


def test_a_standing_is_what_its_row_says_and_the_other_way_round() -> None:
    one = standing(ends=(50, 60))
    one.swallow(3, 5.0, Comparison.ABOVE)
    one.occurrences, one.seen_at = 2, rfc3339(3)
    row = one.row()
    assert row.alert == replace(ALERT, occurrences=2, last_seen_at=rfc3339(3))
    assert row.window == SuppressionWindow(until=UNTIL, count=1, first_at=3, last_at=3, worst=5.0)
    assert Standing(row).row() == row


def test_a_closed_alert_has_no_label_sets() -> None:
    assert standing(OVER, ends=(50,)).row().sources == ()


@pytest.mark.parametrize(
    ("one", "due"),
    [
        (standing(), NEVER),
        (standing(OVER), UNTIL),
        (standing(ends=(70, 50)), 50),
        (standing(OVER, ends=(50,)), UNTIL),
    ],
)
def test_what_is_due_without_receipts(one: Standing, due: int) -> None:
    assert one.due() == due


def test_a_window_that_swallowed_something_is_due_at_its_end() -> None:
    one = standing(ends=(200,))
    one.swallow(3, None, Comparison.ABOVE)
    assert one.due() == UNTIL
