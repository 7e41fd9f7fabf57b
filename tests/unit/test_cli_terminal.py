from __future__ import annotations

import io
from datetime import UTC, timedelta, timezone

import msgspec
import pytest

from protocol import messages as m
from protocol.items import ItemResult
from protocol.model import AlertState, Change, Escalated, EventKind, QuietedBy, Reason, Severity, Status, Suppressed
from tests.support.client_server import AT, an_alert
from tocsin.terminal import Look, alert_line, printable, result_line

PLAIN = Look(has_colour=False, has_shapes=True)
ASCII = Look(has_colour=False, has_shapes=False)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_shapes() -> None:
    assert Look.of(Terminal(), {}) == Look(has_colour=True, has_shapes=True)


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(environ: dict[str, str]) -> None:
    assert not Look.of(Terminal(), environ).has_colour


def test_a_pipe_gets_no_colours_and_ascii_if_that_is_all_it_has() -> None:
    assert Look.of(io.TextIOWrapper(io.BytesIO(), encoding="ascii"), {}) == ASCII
    assert Look.of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), {}) == PLAIN
    assert Look.of(io.StringIO(), {}) == ASCII


def test_every_severity_has_its_own_shape_and_colour() -> None:
    for look in (Look(has_colour=True, has_shapes=True), Look(has_colour=True, has_shapes=False)):
        lines = [alert_line(an_alert(1, severity=severity, title="x"), look, UTC) for severity in Severity]
        beginnings = {line.replace(severity.value, "") for line, severity in zip(lines, Severity, strict=True)}
        assert len(beginnings) == len(Severity)
        assert all("\x1b[" in line for line in lines)


def test_a_line_says_when_how_loud_where_what_and_how_much() -> None:
    message = an_alert(
        1, title="Disk full", severity=Severity.CRITICAL, current_value=97.25, threshold_value=90, occurrences=3
    )
    assert alert_line(message, PLAIN, timezone(timedelta(hours=2))) == (
        "02:00:00  ■ critical  web           fired           Disk full  (value 97.25, threshold 90, seen 3 times)"
    )


def test_a_value_without_a_threshold_and_an_alert_without_a_title_are_shown() -> None:
    assert alert_line(an_alert(1, title="", current_value=1.0), ASCII, UTC).endswith("(no title)  (value 1)")
    assert alert_line(an_alert(1, title="", message="hm"), ASCII, UTC).endswith("hm")


def test_an_end_is_shown_as_one_and_by_whom() -> None:
    message = an_alert(1, title="x", event=EventKind.RESOLVED, by="ann\x1b")
    assert alert_line(message, PLAIN, UTC) == "00:00:00  ✓ warning   web           resolved        x  (by ann\\x1b)"
    assert alert_line(an_alert(1, event=EventKind.EXPIRED), ASCII, UTC).startswith("00:00:00  v warning")
    assert "(by bob)" in alert_line(an_alert(1, event=EventKind.ACKNOWLEDGED, by="bob"), PLAIN, UTC)


def test_a_bulk_change_is_one_line_that_says_how_many_who_and_why() -> None:
    change = Change(at=AT, state=AlertState.RESOLVED, by="ann", notes="the\x1b fan", severity=Severity.ERROR)
    message = m.AlertMessage(
        channel="alerts:acme:web", epoch="e", offset=2, prev=1, event=EventKind.RESOLVED, timestamp=AT, by="ann",
        alert_ids=["a", "b"], change=change,
    )  # fmt: skip
    assert alert_line(message, PLAIN, UTC) == (
        '00:00:00  ✓ error     web           resolved        2 alerts  (by ann, "the\\x1b fan")'
    )
    everywhere = msgspec.structs.replace(message, channel="user:acme:bob")
    assert "  -             resolved" in alert_line(everywhere, PLAIN, UTC)


def test_an_assignment_says_to_whom_and_a_comment_what() -> None:
    assigned = an_alert(1, title="x", event=EventKind.ASSIGNED, by="ann", assigned_to="bob")
    assert alert_line(assigned, PLAIN, UTC).endswith("x  (by ann, to bob)")
    nobody = an_alert(1, title="x", event=EventKind.ASSIGNED, by="ann")
    assert alert_line(nobody, PLAIN, UTC).endswith("(by ann, to nobody)")
    said = an_alert(1, title="x", event=EventKind.COMMENTED, by="ann", notes="the fan")
    assert alert_line(said, PLAIN, UTC).endswith('(by ann, "the fan")')
    change = Change(at=AT, by="ann", assigned_to="bob", severity=Severity.INFO)
    many = msgspec.structs.replace(assigned, data=None, alert_ids=["a", "b"], change=change)
    assert alert_line(many, PLAIN, UTC).endswith("2 alerts  (by ann, to bob)")
    none = msgspec.structs.replace(many, change=msgspec.structs.replace(change, assigned_to=None))
    assert alert_line(none, PLAIN, UTC).endswith("2 alerts  (by ann, to nobody)")


def test_a_step_of_an_escalation_says_which_of_what_chain() -> None:
    step = an_alert(1, title="x", event=EventKind.ESCALATED, escalated=Escalated(chain="web", step=2, round=1, at=AT))
    assert alert_line(step, PLAIN, UTC).endswith("escalated       x  (step 2 of web)")


def test_what_is_quiet_is_shown_as_such_with_why_because_of_what_and_until_when() -> None:
    quiet = an_alert(
        1, title="x", quieted_by=QuietedBy.SILENCED, quieted_ref="s\x1b1", quieted_until=AT.replace("T00:00", "T02:30")
    )
    assert alert_line(quiet, PLAIN, UTC).endswith("x  (quiet: silenced by s\\x1b1 until 02:30:00)")
    assert alert_line(quiet, Look(has_colour=True, has_shapes=True), UTC).count("\x1b[2m") == 2
    tomorrow = an_alert(1, title="x", quieted_by=QuietedBy.MAINTENANCE, quieted_until="2099-01-02T03:04:05.000000Z")
    assert alert_line(tomorrow, PLAIN, UTC).endswith("(quiet: maintenance until 2099-01-02 03:04:05)")
    assert alert_line(an_alert(1, quieted_by=QuietedBy.STORM), PLAIN, UTC).endswith("(quiet: storm)")


def test_a_receipt_says_how_many_were_held_back() -> None:
    swallowed = Suppressed(count=12, first_at=AT, last_at=AT, worst_value=None)
    assert "(12 more were held back)" in alert_line(an_alert(1, suppressed=swallowed, occurrences=13), PLAIN, UTC)
    one = msgspec.structs.replace(swallowed, count=1)
    assert "(1 more was held back)" in alert_line(an_alert(1, suppressed=one, occurrences=2), PLAIN, UTC)


def test_a_receipt_does_not_blame_what_had_kept_an_alert_quiet_that_is_over() -> None:
    swallowed = Suppressed(count=1, first_at=AT, last_at=AT, worst_value=None)
    quiet = {"quieted_by": QuietedBy.SILENCED, "quieted_ref": "s", "suppressed": swallowed}
    assert "quiet: " in alert_line(an_alert(1, **quiet), PLAIN, UTC)
    assert "quiet: " not in alert_line(an_alert(1, **quiet, state=AlertState.RESOLVED), PLAIN, UTC)


def test_nothing_in_a_text_can_steer_the_terminal() -> None:
    evil = "a\x1b[2Jb\r\nc\u202ed\x9b1me"
    shown = alert_line(an_alert(1, title=evil), PLAIN, UTC)
    assert shown.isprintable()
    assert printable(evil) == "a\\x1b[2Jb\\r\\nc\\u202ed\\x9b1me"
    assert printable("Größe 温度 ✓") == "Größe 温度 ✓"


def test_a_result_is_a_sentence() -> None:
    assert result_line(ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id="a1")) == "fired alert a1"
    rejected = ItemResult(status=Status.REJECTED, reason=Reason.UNKNOWN_RULE, message="no rule 'x'")
    assert result_line(rejected) == "rejected (unknown_rule) no rule 'x'"
