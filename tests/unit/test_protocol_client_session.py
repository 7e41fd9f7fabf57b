"""The client's side of a conversation: what it says when, and what it makes of what it hears."""

import pytest

from protocol import messages as m
from protocol.client_session import ClientConversation, ClientState, Heard
from protocol.model import EventKind, Severity
from tests.support.alerts import PLAIN_ALERT

NAME = "alerts:acme:a"


def success() -> m.AuthSuccess:
    return m.AuthSuccess(client_id="c", workspace_id="acme", user_id="u", expires_at="", ping=30.0)


def answer_to(ask: m.ClientMessage, offset: int, reason: str = "fresh", epoch: str = "e") -> m.Subscribed:
    assert isinstance(ask, m.Subscribe)
    return m.Subscribed(channel=NAME, epoch=epoch, offset=offset, recovered=reason == "ok", reason=reason, id=ask.id)


def told(offset: int, prev: int | None = None, epoch: str = "e", name: str = NAME) -> m.AlertMessage:
    return m.AlertMessage(
        channel=name,
        epoch=epoch,
        offset=offset,
        prev=offset - 1 if prev is None else prev,
        event=EventKind.FIRED,
        data=PLAIN_ALERT,
        timestamp="",
    )


def ready(*channels: str) -> ClientConversation:
    """A client that follows these channels (all called NAME by the server) from offset 5 on."""
    client = ClientConversation()
    client.opened("t")
    client.hear(success())
    for channel in channels:
        (ask,) = client.subscribe(channel)
        client.hear(answer_to(ask, 5))
    return client


def test_auth_and_all_wanted_subscriptions_leave_in_one_burst():
    client = ClientConversation()
    assert client.subscribe("alerts:a", Severity.ERROR) == client.subscribe("workspace") == []
    auth, first, second = client.opened("t")
    assert auth == m.Auth(token="t")
    assert first == m.Subscribe(id=1, channel="alerts:a", min_severity=Severity.ERROR)
    assert second == m.Subscribe(id=2, channel="workspace")
    assert client.state is ClientState.AUTHENTICATING
    assert client.hear(success()) == Heard()
    assert client.state is ClientState.READY


def test_what_is_wanted_between_auth_and_its_answer_is_asked_at_once():
    client = ClientConversation()
    client.opened("t")
    assert client.subscribe("alerts:a") == [m.Subscribe(id=1, channel="alerts:a")]
    assert client.hear(success()).send == []
    assert client.unsubscribe("alerts:a") == [m.Unsubscribe(channel="alerts:a")]


def test_the_same_subscription_is_not_asked_twice_while_it_waits_for_its_answer():
    client = ready()
    assert len(client.subscribe("alerts:a")) == 1
    assert client.subscribe("alerts:a") == []


def test_another_filter_is_asked_for_from_the_place_where_we_are():
    client = ready("alerts:a")
    (ask,) = client.subscribe("alerts:a", Severity.ERROR)
    assert (ask.recover, ask.min_severity) == (m.Position("e", 5), Severity.ERROR)
    (again,) = client.subscribe("alerts:a", Severity.INFO)
    assert again.min_severity is Severity.INFO
    client.hear(answer_to(ask, 5, "ok"))
    assert client.hear(told(6)) == Heard(), "the first answer is outdated, messages wait for the second"
    client.hear(answer_to(again, 6, "ok"))
    assert client.hear(told(6)).alert == told(6)


def test_messages_before_the_answer_to_subscribe_wait_for_the_history():
    client = ClientConversation()
    client.opened("t")
    client.hear(success())
    (ask,) = client.subscribe("alerts:a")
    assert client.hear(told(5)) == Heard()
    answer = answer_to(ask, 5)
    assert client.hear(answer) == Heard()
    assert client.hear(told(6)) == Heard(alert=told(6))


def test_a_message_that_comes_twice_is_shown_once():
    client = ready("alerts:a")
    assert client.hear(told(6)).alert == told(6)
    assert client.hear(told(6)) == Heard()


def test_a_message_of_a_channel_that_nobody_wants_is_dropped():
    assert ready("alerts:a").hear(told(6, name="alerts:acme:other")) == Heard()


def test_a_gap_leads_to_a_recovery_from_the_last_message_that_we_have():
    client = ready("alerts:a")
    heard = client.hear(told(8))
    assert heard.alert is None
    assert heard.send == [m.Subscribe(id=2, channel="alerts:a", recover=m.Position("e", 5))]
    assert client.hear(told(9)) == Heard(), "one recovery is enough"
    assert client.hear(answer_to(heard.send[0], 9, "ok")).lost is None
    assert [client.hear(told(offset)).alert for offset in range(6, 10)] == [told(offset) for offset in range(6, 10)]


def test_a_position_is_as_good_as_a_message():
    client = ready("alerts:a")
    assert client.hear(m.PositionMessage(channel=NAME, epoch="e", offset=8, at="")) == Heard()
    assert client.hear(told(9, prev=8)).alert == told(9, prev=8)


def test_after_a_reconnect_everything_is_asked_from_where_we_were():
    client = ready("alerts:a")
    client.hear(told(6))
    client.closed(for_good=False)
    assert client.state is ClientState.CONNECTING
    _, ask = client.opened("t")
    assert ask.recover == m.Position("e", 6)
    client.hear(success())
    client.hear(answer_to(ask, 7, "ok"))
    assert client.hear(told(7)).alert == told(7)


@pytest.mark.parametrize("reason", ["trimmed", "epoch_changed", "ahead"])
def test_what_cannot_be_recovered_is_told_as_lost_and_following_goes_on(reason):
    client = ready("alerts:a")
    client.closed(for_good=False)
    _, ask = client.opened("t")
    answer = answer_to(ask, 3, reason, epoch="new")
    assert client.hear(answer) == Heard(lost=reason)
    assert client.hear(told(4, epoch="new")).alert == told(4, epoch="new")


def test_a_refused_recovery_stops_the_channel_under_all_its_names_until_the_next_connection():
    client = ready("alerts:a", "project:a")
    (ask,) = client.hear(told(8)).send
    assert client.hear(m.ErrorMessage(code=120, message="busy", temporary=True, id=ask.id)) == Heard()
    client.hear(m.PositionMessage(channel=NAME, epoch="e", offset=8, at=""))
    assert client.hear(told(9)) == Heard()
    client.closed(for_good=False)
    _, first, second = client.opened("t")
    assert first.recover == second.recover == m.Position("e", 5)


def test_messages_under_one_name_wait_for_the_history_asked_under_another():
    client = ready("alerts:a", "project:a")
    client.subscribe("alerts:a")
    assert client.hear(told(6)) == Heard()
    client.hear(m.PositionMessage(channel=NAME, epoch="e", offset=6, at=""))
    assert client.subscriptions["project:a"].follower.position() == m.Position("e", 5)


@pytest.mark.parametrize("request_id", [None, 77])
def test_a_reply_to_something_else_leaves_the_subscriptions_alone(request_id):
    client = ready("alerts:a")
    for reply in (
        m.ErrorMessage(code=107, message="", temporary=False, id=request_id),
        m.Subscribed(channel="alerts:acme:b", epoch="e", offset=90, recovered=False, reason="fresh", id=request_id),
        m.Pong(id=request_id),
    ):
        assert client.hear(reply) == Heard()
    assert client.hear(told(6)).alert == told(6)


def test_two_names_of_one_channel_show_a_message_once():
    client = ready("alerts:a", "project:a")
    assert client.hear(told(6)).alert == told(6)
    assert client.hear(told(6)) == Heard()
    assert client.hear(told(7)).alert == told(7)
    assert client.subscriptions["project:a"].follower.position() == m.Position("e", 7)


def test_giving_up_one_name_of_a_channel_keeps_the_other():
    client = ready("alerts:a", "project:a")
    farewell, ask = client.unsubscribe("alerts:a")
    assert farewell == m.Unsubscribe(channel="alerts:a")
    assert ask == m.Subscribe(id=3, channel="project:a", recover=m.Position("e", 5))


def test_giving_up_a_name_before_it_was_answered_keeps_the_other():
    """Only the server knows then that it was the same channel."""
    client = ready("alerts:a")
    client.subscribe("project:a")
    assert client.unsubscribe("project:a") == [m.Unsubscribe(channel="project:a")]
    farewell = m.Unsubscribed(channel=NAME)
    heard = client.hear(farewell)
    assert heard.send == [m.Subscribe(id=3, channel="alerts:a", recover=m.Position("e", 5))]


def test_an_unwanted_channel_is_given_up_only_where_the_server_knows_of_it():
    client = ready("alerts:a")
    assert client.unsubscribe("alerts:b") == []
    client.closed(for_good=False)
    assert client.unsubscribe("alerts:a") == []
    assert client.opened("t") == [m.Auth(token="t")]


def test_the_server_ending_a_subscription_does_not_start_it_again():
    farewell = m.Unsubscribed(channel=NAME, code=103)
    assert ready("alerts:a").hear(farewell) == Heard()


def test_a_connection_closed_for_good_sends_no_more():
    client = ready("alerts:a")
    client.closed(for_good=True)
    assert client.state is ClientState.CLOSED
    assert client.subscribe("alerts:b") == []
