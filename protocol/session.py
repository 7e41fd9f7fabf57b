"""The server's side of the conversation on one connection, as a table: which message is allowed when.

    CONNECTED --auth--> AUTHENTICATED --refresh--> AUTHENTICATED

Before `auth` only `auth` and `ping` are allowed; the third failed `auth` or the twentieth bad message ends it. Pure: it
is told what arrived and answers what may be done; sockets, tokens and time are somebody else's. The other side is
`protocol.client_session`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from protocol import messages as m
from protocol.errors import CloseCode, ConversationEnded, Unauthorized
from protocol.limits import Limit
from protocol.model import Principal
from protocol.wording import several


@dataclass(frozen=True)
class ConversationLimits:
    """What the server's side of one conversation puts up with."""

    # A person mistypes twice; a third wrong token is a program that will not get better.
    auth_failures_max: int = 3
    # A client with a bug gets its errors back and may go on; one that only sends rubbish costs us time.
    bad_messages_max: int = 20
    subscriptions_max: int = 128


class ServerState(enum.Enum):
    """Where the server's side of a conversation stands."""

    CONNECTED = "connected"
    AUTHENTICATED = "authenticated"


_ALWAYS: frozenset[type] = frozenset({m.Auth, m.Ping})
SERVER_TABLE: dict[ServerState, frozenset[type]] = {
    ServerState.CONNECTED: _ALWAYS,
    ServerState.AUTHENTICATED: _ALWAYS
    | {m.Refresh, m.Subscribe, m.Unsubscribe, m.Received, m.Seen, m.Read}
    | {m.Trigger, m.Reading, m.Acknowledge, m.Resolve},
}


class ServerConversation:
    """The server's side of one conversation."""

    def __init__(self, limits: ConversationLimits | None = None) -> None:
        self.state = ServerState.CONNECTED
        self.principal: Principal | None = None
        self._auth_failures = 0
        self._bad_messages = 0
        self._limits = limits or ConversationLimits()

    @property
    def who(self) -> Principal:
        """The bearer of the token. Raises Unauthorized before `auth` (the table admits nothing then that asks)."""
        if self.principal is None:
            raise Unauthorized("say auth with a token first")
        return self.principal

    def admit(self, message: m.ClientMessage) -> None:
        """May this message be handled now? Raises Unauthorized if `auth` must come first."""
        if type(message) not in SERVER_TABLE[self.state]:
            raise Unauthorized("say auth with a token first")

    def authenticated(self, principal: Principal) -> None:
        """A token was good. Raises Unauthorized if it would turn the connection into somebody else's."""
        before = self.principal
        if before and (before.workspace, before.user) != (principal.workspace, principal.user):
            raise Unauthorized("this connection belongs to another user or workspace; open a new one")
        self.principal = principal
        self.state = ServerState.AUTHENTICATED

    def auth_failed(self) -> None:
        """A token was bad. Raises ConversationEnded when there were too many."""
        self._auth_failures += 1
        if self._auth_failures >= (limit := self._limits.auth_failures_max):
            text = f"{several(self._auth_failures, 'invalid token')}, limit {limit}"
            raise ConversationEnded(CloseCode.INVALID_TOKEN, text, Limit.AUTH_FAILURES)

    def bad_message(self) -> None:
        """A message could not be read. Raises ConversationEnded when there were too many."""
        self._bad_messages += 1
        if self._bad_messages >= (limit := self._limits.bad_messages_max):
            text = f"{several(self._bad_messages, 'invalid message')}, limit {limit}"
            raise ConversationEnded(CloseCode.BAD_REQUEST, text, Limit.BAD_MESSAGES)

    def subscribing(self, subscriptions: int) -> None:
        """May there be one more besides so many subscriptions? Raises ConversationEnded if not."""
        if subscriptions >= self._limits.subscriptions_max:
            raise ConversationEnded(
                CloseCode.SUBSCRIPTION_LIMIT,
                f"{several(subscriptions, 'subscription')}, limit {self._limits.subscriptions_max}",
                Limit.SUBSCRIPTIONS,
            )
