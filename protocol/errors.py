"""Every error that crosses a border, with its number: whose fault it is, whether trying again helps, what to do.

The numbers are those of `docs/protocol.md`. A `temporary` error is worth the same request again a moment later.
"""

from __future__ import annotations

import enum

from protocol.limits import Limit


class TocsinError(Exception):
    """Base of everything that we tell a client. `code` is the number on the wire."""

    code = 100
    temporary = True
    http_status = 500
    # The limit that was reached, if that is the reason; who refuses counts it.
    limit: Limit | None = None

    @property
    def message(self) -> str:
        """The sentence that the client is shown."""
        return str(self) or (self.__doc__ or "").strip()


class InternalError(TocsinError):
    """Something broke in the engine; the request may or may not have had its effect. Try again."""


class Unauthorized(TocsinError):
    """No valid token. One message for every kind of bad token: it must teach a forger nothing."""

    code = 101
    temporary = False
    http_status = 401


class UnknownChannel(TocsinError):
    """There is no such channel or object (in this workspace)."""

    code = 102
    temporary = False
    http_status = 404


class PermissionDenied(TocsinError):
    """The token's role may not do this."""

    code = 103
    temporary = False
    http_status = 403


class LimitReached(TocsinError):
    """A limit with a name was reached; the message says which, and its value."""

    code = 106
    temporary = False
    http_status = 429

    def __init__(self, message: str = "", limit: Limit | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        # When there will be room by itself; without it somebody must do something first.
        self.retry_after_s = retry_after_s
        self.temporary = retry_after_s is not None


class BadRequest(TocsinError):
    """The request is malformed; the message says where and what is allowed."""

    code = 107
    temporary = False
    http_status = 400


class Conflict(TocsinError):
    """The object is not in a state in which this can be done."""

    code = 107
    temporary = False
    http_status = 409


class Outdated(TocsinError):
    """Somebody else changed the object meanwhile; `version` is the present one. Read it again, and change that."""

    code = 107
    temporary = False
    http_status = 412

    def __init__(self, message: str = "", version: int = 0) -> None:
        super().__init__(message)
        self.version = version


class TokenExpired(TocsinError):
    """The token was valid once. Get a new one and say `auth` or `refresh`."""

    code = 109
    temporary = False
    http_status = 401


class TooManyRequests(TocsinError):
    """More requests than the role or the workspace may send. Nothing was done; the message says when to come again."""

    code = 111
    http_status = 429

    def __init__(self, message: str = "", limit: Limit | None = None, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after_s = retry_after_s


class Busy(TocsinError):
    """A queue is full or the store is away. Nothing was stored: send the same again a moment later."""

    code = 120
    http_status = 503

    def __init__(self, message: str = "", limit: Limit | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class StoreUnavailable(Busy):
    """The store does not answer. Nothing is acknowledged until it does; live connections stay."""


class StoreRefused(Exception):
    """The store must not be used as it is: corrupt, newer than this program, or somebody else's. Left untouched."""


class NotYet(StoreRefused):
    """Something that an engine needs at its start is not there yet: its database, its Redis, room on its disk.

    Waiting may help. The text says which host and why, without passwords.
    """


class CommitInvalid(ValueError):
    """This commit can never be stored: the machine that made it has a bug. Trying again does not help.

    Raised by a store to the channel's actor, which treats it as if the machine had raised: it crashes, tries commands
    singly, and sets the bad one aside.
    """


class CloseCode(enum.IntEnum):
    """Why a WebSocket ends. 3000-3499: come back; 3500-3999: do not, something must be changed first."""

    meaning: str

    def __new__(cls, code: int, meaning: str = "") -> CloseCode:
        """A code that can say what it means."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    NORMAL = 1000, "normal end"
    PROTOCOL_ERROR = 1002, "violation of the WebSocket protocol"
    WRONG_FRAME_KIND = 1003, "a text frame where this subprotocol has binary ones, or the other way round"
    BAD_UTF8 = 1007, "a text that is not UTF-8"
    TOO_BIG = 1009, "a message of more bytes (by default 64 KiB) or fragments (64) than allowed"
    TRY_LATER = 1013, "the engine has no room for you now; try again later"
    CLOSED = 3000, "closed (reserved)"
    SHUTDOWN = 3001, "the engine is shutting down"
    SERVER_ERROR = 3004, "something broke while talking to you"
    EXPIRED = 3005, "the token has expired; come back with a fresh one"
    SLOW = (
        3008,
        "too slow: too much was unread (by default 1 MiB), or a message took too long to arrive (10 s)",
    )
    INSUFFICIENT_STATE = 3010, "the server cannot go on without a gap: come back and recover"
    NO_PONG = 3012, "nothing was heard for too long (by default 60 s)"
    TOO_MANY_REQUESTS = 3013, "too many requests, and no pause after they were refused"
    INVALID_TOKEN = 3500, "too many invalid tokens (by default 3), or one that was revoked"
    BAD_REQUEST = 3501, "too many malformed messages (by default 20)"
    NO_AUTH = 3502, "no good token in time (by default 10 s)"
    FORCED = 3503, "ended by an operator"
    CONNECTION_LIMIT = 3504, "too many connections of this user or workspace"
    SUBSCRIPTION_LIMIT = 3505, "too many subscriptions (by default more than 128)"
    PERMISSION_DENIED = 3507, "permission denied (reserved)"


def may_reconnect(code: int) -> bool:
    """Whether a client should come back after this close code (anything but 3500-3999, also no code at all)."""
    return not 3500 <= code <= 3999


class ConversationEnded(Exception):
    """The conversation must end with this close code and reason (at most 123 bytes, RFC 6455 section 5.5).

    `limit`: the limit that was reached, if that is the reason.
    """

    def __init__(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.limit = limit
