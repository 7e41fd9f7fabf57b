"""What can go wrong for a client besides what the server answers: each error says whether trying again helps.

Answers of the server (`error` messages) become the errors of `protocol.errors` again, by their number.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from protocol import errors
from protocol.errors import TocsinError
from protocol.messages import ErrorMessage

WHO_SIGNED = "name the CA that signed its certificate: --ca FILE, or the variable SSL_CERT_FILE"
# OpenSSL's words for an answer that is no TLS; the second since 3.2.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


def tls_hint(fault: BaseException | str | None, plain: str) -> str:
    """What to look at when a TLS handshake failed so; `plain`: the scheme without TLS. Empty: nothing known."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return WHO_SIGNED
    is_plain = isinstance(fault, ssl.SSLError) and fault.reason in _NO_TLS
    return f"that port is not encrypted: use {plain}" if is_plain else ""


class ConnectionLost(TocsinError):
    """The connection broke before the answer came: it may have been stored; send the same again."""


class NoAnswer(TocsinError):
    """No answer in time: it may have been stored; send the same again."""


class CannotConnect(TocsinError):
    """The first connection did not come about. Is the engine running, and is this its address?"""


class OutputFailed(TocsinError):
    """What a command has to say cannot be written; the disk may be full."""

    temporary = False


class ClientStopped(TocsinError):
    """The client has ended for good and does not reconnect. `close_code`: the server's (3500-3999), if it was that."""

    temporary = False

    def __init__(self, message: str, close_code: int | None = None) -> None:
        super().__init__(message)
        self.close_code = close_code


class NotRunning(TocsinError):
    """The engine or client of this asyncio program has ended; the cause is what it died of, if it did."""

    temporary = False


@dataclass(frozen=True)
class Lost:
    """Messages of a channel that will not come: `trimmed`, `epoch_changed`, `ahead`, `unreadable`, or a refusal."""

    channel: str
    reason: str


# By number, as the wire has it. ConnectionLost and its siblings never come from a server.
_BY_CODE: dict[int, type[TocsinError]] = {
    kind.code: kind
    for kind in (
        errors.InternalError,
        errors.Unauthorized,
        errors.UnknownChannel,
        errors.PermissionDenied,
        errors.LimitReached,
        errors.BadRequest,
        errors.TokenExpired,
        errors.TooManyRequests,
        errors.Busy,
    )
}


def error_of(message: ErrorMessage) -> TocsinError:
    """The error that a server's answer means; one with a number that we do not know keeps number and `temporary`."""
    fault = _BY_CODE.get(message.code, TocsinError)(message.message)
    fault.code = message.code
    fault.temporary = message.temporary
    return fault
