"""The server's side of a conversation, entry by entry of its table."""

from typing import get_args

import pytest

from protocol import messages as m
from protocol.errors import CloseCode, ConversationEnded, Unauthorized
from protocol.items import ReadingInput, TriggerInput
from protocol.limits import Limit
from protocol.model import Principal
from protocol.session import SERVER_TABLE, ConversationLimits, ServerConversation, ServerState

WHO = Principal(workspace="acme", user="u", role="admin", expires_at=100)
REQUESTS: dict[type, m.ClientMessage] = {
    type(message): message
    for message in (
        m.Auth(token="t"),
        m.Refresh(token="t"),
        m.Subscribe(channel="workspace"),
        m.Unsubscribe(channel="workspace"),
        m.Trigger(alert=TriggerInput(framework_id="f")),
        m.Reading(readings=[ReadingInput(framework_id="f", metric="m", value=1.0)]),
        m.Acknowledge(alert_id="a"),
        m.Resolve(alert_id="a"),
        m.Received(channel="workspace", offset=1),
        m.Seen(channel="workspace", offset=1),
        m.Read(keys=["msg_1"]),
        m.Ping(),
    )
}


def conversation_in(state: ServerState) -> ServerConversation:
    conversation = ServerConversation()
    if state is ServerState.AUTHENTICATED:
        conversation.authenticated(WHO)
    assert conversation.state is state
    return conversation


def test_the_table_knows_every_state_and_every_message():
    assert set(SERVER_TABLE) == set(ServerState)
    assert set(REQUESTS) == set(get_args(m.ClientMessage)) == SERVER_TABLE[ServerState.AUTHENTICATED]


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", ServerState)
def test_before_auth_only_auth_and_ping_are_admitted_and_afterwards_everything(state, kind):
    conversation = conversation_in(state)
    if state is ServerState.AUTHENTICATED or kind in (m.Auth, m.Ping):
        conversation.admit(REQUESTS[kind])
    else:
        with pytest.raises(Unauthorized, match="say auth"):
            conversation.admit(REQUESTS[kind])
    assert conversation.state is state


def test_a_newer_token_of_the_same_user_replaces_the_older():
    conversation = conversation_in(ServerState.AUTHENTICATED)
    newer = Principal(workspace="acme", user="u", role="viewer", expires_at=200)
    conversation.authenticated(newer)
    assert conversation.principal is newer


@pytest.mark.parametrize(("workspace", "user"), [("acme", "other"), ("other", "u")])
def test_a_connection_cannot_become_somebody_elses(workspace, user):
    conversation = conversation_in(ServerState.AUTHENTICATED)
    with pytest.raises(Unauthorized, match="open a new one"):
        conversation.authenticated(Principal(workspace=workspace, user=user, role="admin", expires_at=200))
    assert conversation.principal is WHO


def test_the_third_bad_token_ends_the_conversation():
    conversation = ServerConversation()
    for _ in range(2):
        conversation.auth_failed()
    with pytest.raises(ConversationEnded) as end:
        conversation.auth_failed()
    assert (end.value.code, end.value.limit) == (CloseCode.INVALID_TOKEN, Limit.AUTH_FAILURES)
    assert end.value.reason == "3 invalid tokens, limit 3"


def test_the_twentieth_bad_message_ends_the_conversation():
    conversation = conversation_in(ServerState.AUTHENTICATED)
    for _ in range(19):
        conversation.bad_message()
    with pytest.raises(ConversationEnded) as end:
        conversation.bad_message()
    assert (end.value.code, end.value.limit) == (CloseCode.BAD_REQUEST, Limit.BAD_MESSAGES)
    assert end.value.reason == "20 invalid messages, limit 20"


def test_one_subscription_too_many_ends_the_conversation():
    conversation = ServerConversation()
    conversation.subscribing(127)
    with pytest.raises(ConversationEnded) as end:
        conversation.subscribing(128)
    assert end.value.code is CloseCode.SUBSCRIPTION_LIMIT
    assert "limit 128" in end.value.reason


def test_each_limit_of_a_conversation_can_be_configured():
    conversation = ServerConversation(ConversationLimits(1, 1, 1))
    for one_too_many in (conversation.auth_failed, conversation.bad_message, lambda: conversation.subscribing(1)):
        with pytest.raises(ConversationEnded, match="limit 1"):
            one_too_many()


def test_nobody_is_the_bearer_before_a_token_was_good():
    conversation = ServerConversation()
    with pytest.raises(Unauthorized, match="auth"):
        assert conversation.who
    conversation.authenticated(WHO)
    assert conversation.who is WHO
