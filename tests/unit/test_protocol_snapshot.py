"""A client's place while a snapshot comes: pages of different offsets, events between them, breaks."""

import msgspec
import pytest

from protocol import messages as m
from protocol.client_session import ClientConversation
from protocol.model import AlertState, Change, EventKind, Severity
from tests.support.alerts import PLAIN_ALERT

NAME = "alerts:acme:a"
HELLO = m.AuthSuccess(client_id="c", workspace_id="acme", user_id="u", expires_at="", ping=30.0)


def alert(name):
    return msgspec.structs.replace(PLAIN_ALERT, id=name)


def a_page(page, offset, *names, last=False):
    return m.Snapshot(
        channel=NAME, epoch="e", offset=offset, alerts=[alert(name) for name in names], page=page, last=last
    )


def told(offset, name="x", prev=None):
    return m.AlertMessage(
        channel=NAME,
        epoch="e",
        offset=offset,
        prev=offset - 1 if prev is None else prev,
        event=EventKind.FIRED,
        data=alert(name),
        timestamp="",
    )


def answer_to(ask, offset=5, reason="fresh"):
    assert isinstance(ask, m.Subscribe)
    return m.Subscribed(channel=NAME, epoch="e", offset=offset, recovered=reason == "ok", reason=reason, id=ask.id)


@pytest.fixture
def client():
    """A client whose `subscribe` with a snapshot was answered at offset 5."""
    client = ClientConversation()
    client.opened("t")
    client.hear(HELLO)
    (ask,) = client.subscribe("alerts:a", snapshot=True)
    assert (ask.snapshot, ask.recover) == (True, None)
    client.hear(answer_to(ask))
    return client


def reconnected(client):
    """What the client asks after its connection broke."""
    client.closed(for_good=False)
    _, ask = client.opened("t")
    return ask


def test_pages_are_shown_and_events_follow_from_the_first_ones_offset(client):
    assert client.hear(a_page(0, 6, "a", "b")).snapshot.alerts == [alert("a"), alert("b")]
    assert client.hear(a_page(1, 6, "c", last=True)).snapshot is not None
    assert client.hear(told(6)).alert is None, "it happened before the first page"
    assert client.hear(told(7)).alert == told(7)


def test_an_event_that_a_later_page_has_already_is_dropped_and_others_are_not(client):
    client.hear(a_page(0, 6, "a"))
    client.hear(a_page(1, 9, "b", last=True))
    shown = [client.hear(told(offset, name)).alert for offset, name in [(7, "a"), (8, "b"), (9, "new"), (10, "b")]]
    assert [each and each.offset for each in shown] == [7, None, 9, 10]


def test_what_the_pages_showed_is_forgotten_when_their_offset_has_passed(client):
    client.hear(a_page(0, 6, "a"))
    client.hear(a_page(1, 7, "b", last=True))
    follower = client.subscriptions["alerts:a"].follower
    client.hear(told(7, "b"))
    assert follower.has_shown("b", 7)
    client.hear(told(8, "b"))
    assert not follower.has_shown("b", 7)


@pytest.mark.parametrize("pages", [[], [a_page(0, 6, "a")], [a_page(0, 6, "a"), a_page(1, 7, "b")]])
def test_a_snapshot_that_broke_off_is_asked_for_anew(client, pages):
    for page in pages:
        client.hear(page)
    ask = reconnected(client)
    assert (ask.recover, ask.snapshot) == (None, True)
    client.hear(HELLO)
    client.hear(answer_to(ask, 8))
    client.hear(a_page(0, 8, "c", last=True))
    assert client.hear(told(9)).alert is not None


def test_after_a_whole_snapshot_a_reconnect_recovers(client):
    client.hear(a_page(0, 6, "a", last=True))
    client.hear(told(7))
    ask = reconnected(client)
    assert (ask.recover, ask.snapshot) == (m.Position("e", 7), True)
    client.hear(HELLO)
    client.hear(answer_to(ask, 9, "ok"))
    assert client.hear(told(8)).alert is not None


def test_what_cannot_be_recovered_is_lost_and_shown_as_it_is_now(client):
    client.hear(a_page(0, 6, "a", last=True))
    ask = reconnected(client)
    client.hear(HELLO)
    assert client.hear(answer_to(ask, 900, "trimmed")).lost == "trimmed"
    assert client.hear(a_page(0, 901, "b", last=True)).snapshot is not None
    assert client.hear(told(902)).alert is not None


def test_a_page_of_a_channel_that_nobody_wants_is_dropped(client):
    client.unsubscribe("alerts:a")
    assert client.hear(a_page(0, 6, "a")).snapshot is None


def test_a_channel_that_is_followed_already_is_asked_for_anew_with_a_snapshot():
    client = ClientConversation()
    client.opened("t")
    client.hear(HELLO)
    (ask,) = client.subscribe("alerts:a")
    client.hear(answer_to(ask))
    (again,) = client.subscribe("alerts:a", Severity.INFO, snapshot=True)
    assert (again.recover, again.snapshot) == (None, True), "a recovery would show nothing"
    client.hear(answer_to(again))
    assert client.hear(a_page(0, 6, "a", last=True)).snapshot is not None
    assert client.hear(told(7)).alert is not None
    assert client.subscribe("alerts:a", Severity.INFO, snapshot=True)[0].recover == m.Position("e", 7)


def test_the_same_snapshot_is_not_asked_for_twice_while_it_waits_for_its_answer():
    client = ClientConversation()
    client.opened("t")
    assert len(client.subscribe("alerts:a", snapshot=True)) == 1
    assert client.subscribe("alerts:a", snapshot=True) == []


def of_many(offset, *names):
    return m.AlertMessage(
        channel=NAME,
        epoch="e",
        offset=offset,
        prev=offset - 1,
        event=EventKind.RESOLVED,
        timestamp="",
        by="ann",
        alert_ids=list(names),
        change=Change(at="", state=AlertState.RESOLVED, by="ann"),
    )


def test_a_bulk_change_leaves_out_the_alerts_that_a_later_page_has_already(client):
    client.hear(a_page(0, 6, "a"))
    client.hear(a_page(1, 9, "b", "c", last=True))
    assert client.hear(of_many(7, "a", "d")).alert == of_many(7, "a", "d")
    assert client.hear(of_many(8, "a", "b", "d")).alert == of_many(8, "a", "d")
    assert client.hear(of_many(9, "b", "c")).alert is None
    assert client.hear(of_many(10, "b", "c")).alert == of_many(10, "b", "c")


def test_a_message_names_its_alerts_whether_one_or_many():
    assert told(7, "x").ids == ["x"]
    assert of_many(7, "x", "y").ids == ["x", "y"]
    assert msgspec.structs.replace(of_many(7), alert_ids=None).ids == []
