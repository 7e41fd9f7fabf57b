"""The shared nouns and the errors: what code elsewhere relies on without looking."""

import inspect

import pytest

from protocol import errors
from protocol.effects import Audit, Decision
from protocol.errors import Busy, CloseCode, ConversationEnded, InternalError, TocsinError, may_reconnect
from protocol.model import OPEN_STATES, AlertState, ChannelKey, Severity

ERRORS = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, TocsinError)]


def test_severities_are_ordered_from_info_to_critical():
    ordered = [Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL]
    assert sorted(Severity, key=lambda severity: severity.rank) == ordered
    assert Severity("critical") is Severity.CRITICAL


def test_an_alert_is_open_until_it_is_resolved_or_expired():
    assert {state for state in AlertState if state.is_open} == OPEN_STATES
    assert {AlertState.RESOLVED, AlertState.EXPIRED} == {state for state in AlertState if not state.is_open}


def test_a_channels_name_has_its_workspace_and_framework():
    assert ChannelKey("acme", "checkout").name == "alerts:acme:checkout"


def test_a_decision_with_nothing_to_store_is_not_durable():
    assert not Decision(results=(), offset=0).is_durable
    assert Decision(results=(), offset=0, audits=(Audit(at=0, by="u", verb="acknowledge", alert_id="a"),)).is_durable


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_without_words_says_what_its_class_says(kind):
    assert kind().message == inspect.getdoc(kind)
    assert kind("the fridge is open").message == "the fridge is open"


def test_exactly_these_errors_are_worth_the_same_request_again():
    assert {kind.code for kind in ERRORS if kind.temporary} == {100, 111, 120}


def test_an_http_status_says_whose_fault_it_is():
    for kind in ERRORS:
        # 5xx: ours. The same for "too many", which is the client's but passes by itself.
        assert (kind.http_status >= 500) is (kind.temporary and kind.code != 111)
    assert (InternalError.http_status, Busy.http_status) == (500, 503)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1000, True), (1006, True), (3001, True), (3008, True), (3499, True), (3500, False), (3999, False), (4000, True)],
)
def test_a_client_comes_back_unless_something_must_be_changed_first(code, expected):
    assert may_reconnect(code) is expected


def test_every_close_code_is_registered_or_in_our_ranges():
    standard = {1000, 1002, 1003, 1007, 1009, 1013}
    assert all(code in standard or 3000 <= code <= 3999 for code in CloseCode)
    assert {code.name for code in CloseCode if not may_reconnect(code)} == {
        "INVALID_TOKEN",
        "BAD_REQUEST",
        "NO_AUTH",
        "FORCED",
        "CONNECTION_LIMIT",
        "SUBSCRIPTION_LIMIT",
        "PERMISSION_DENIED",
    }


def test_the_end_of_a_conversation_carries_code_and_reason():
    end = ConversationEnded(CloseCode.SLOW, "too slow")
    assert (end.code, end.reason) == (3008, "too slow")
