"""What another version kept in words that are not ours is in no list, and hides nothing beside it."""

from __future__ import annotations

import msgspec
from structlog.testing import capture_logs

from engine.analytics.pattern_findings import pattern_of
from engine.analytics.readable import readable
from tests.support.patterns import a_pattern, findings_of


def test_what_cannot_be_read_is_left_out_and_logged_with_its_name() -> None:
    first, second, third, fourth = findings_of([a_pattern(name) for name in ("p1", "p2", "p3", "p4")])
    of_tomorrow = msgspec.structs.replace(second, body='{"id": "p2", "kind": "astrological"}')
    in_a_new_state = msgspec.structs.replace(third, state="forgotten")
    with capture_logs() as logs:
        found = readable([first, of_tomorrow, in_a_new_state, fourth], pattern_of)
    assert [each.id for each in found] == ["p1", "p4"]
    assert [(entry["event"], entry["key"]) for entry in logs] == [
        ("finding_unreadable", "p2"),
        ("finding_unreadable", "p3"),
    ]
