"""One connection to the mail server: opened when it is needed, used for many mails, ended from outside if it must be.

Everything here blocks and runs in a worker thread of `mailer.py`; the standard library's `smtplib` speaks SMTP. Its
time-outs are for each read, so a server that drips a byte now and then would hold a thread for ever: `abort` ends the
connection from the loop, in whatever step the thread is, by shutting down a duplicate of its socket. Only the name
look-up cannot be ended so; the resolver has a limit of its own, and the thread counts against the mailer's until then.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator

from engine.core.notices.notice import line_of
from engine.notify.letters import Letter
from engine.notify.ports import Refused, TryLater
from engine.sections.smtp import Smtp

# What a server says goes into the ledger, in a sentence.
CAUSE_MAX_CHARS = 300
_READY, _DONE = 220, 250


class Aborted(OSError):
    """The connection was ended by us."""


class MailLink(smtplib.SMTP):
    """A connection, or what is to become one. Used by one thread at a time; `abort` by any."""

    def __init__(self, config: Smtp) -> None:
        # Without its own name the library would ask the resolver, which may take long.
        super().__init__(local_hostname=socket.gethostname() or "localhost", timeout=config.answer_s)
        self._config = config
        self._host = config.host
        self._handle: socket.socket | None = None
        self._lock = threading.Lock()
        self._is_aborted = self._is_busy = False
        # Whether the server has let us in: what goes wrong after that is about one mail.
        self.is_in = False
        self.opened = 0
        self.delivered = 0

    def deliver(self, letter: Letter) -> None:
        """Hands over a mail, on a new connection if the old one has ended. Raises SMTPException, OSError."""
        with self._busy():
            if self.sock is not None and not self._is_alive():
                self._drop()
            if self.sock is None:
                self._open()
            options = ("SMTPUTF8", "BODY=8BITMIME") if letter.needs_utf8 else ()
            self.sendmail(letter.sender, [letter.recipient], letter.content, options)
            self.delivered += 1

    def knock(self) -> None:
        """Opens it, and says nothing. Raises as `deliver`."""
        with self._busy():
            self._open()

    def leave(self) -> None:
        """Ends it as is polite. Raises nothing that a server can cause."""
        with self._busy(), contextlib.suppress(smtplib.SMTPException, OSError):
            if self.sock is not None:
                self.quit()
        self.abort()

    def abort(self) -> None:
        """Ends it at once; a thread that waits for the server comes back with an error, and closes what is left."""
        with self._lock:
            self._is_aborted = True
            if not self._is_busy:
                self._drop()
            elif self._handle is not None:
                with contextlib.suppress(OSError):  # the peer was first
                    self._handle.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        """Between two threads one always sees the other: sockets are closed by whoever comes last."""
        with self._lock:
            self._is_busy = True
        try:
            yield
        finally:
            with self._lock:
                self._is_busy = False
                if self._is_aborted:
                    self._drop()

    def _open(self) -> None:
        self.delivered, self.is_in = 0, False
        code, said = self.connect(self._config.host, self._config.port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)
        self.opened += 1
        if self._config.security == "starttls":
            # Raises if the server does not offer it: nothing is ever said in plain text instead.
            self.starttls(context=self._tls())
        if self._config.user:
            self.login(self._config.user, self._config.password.reveal().decode())
        self.is_in = True

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), self._config.connect_s)
        with self._lock:
            self._handle = plain.dup()
            if self._is_aborted:
                plain.close()
                raise Aborted("ended while it was opened")
        plain.settimeout(timeout)
        if self._config.security != "tls":
            return plain
        with contextlib.ExitStack() as on_fault:
            on_fault.callback(plain.close)
            encrypted = self._tls().wrap_socket(plain, server_hostname=host)
            on_fault.pop_all()
        return encrypted

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._config.ca or None)

    def _is_alive(self) -> bool:
        try:
            if self.delivered >= self._config.per_connection_max:
                self.quit()
                return False
            return self.noop()[0] == _DONE
        except (smtplib.SMTPException, OSError):
            return False

    def _drop(self) -> None:
        self.close()
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def meaning_of(fault: Exception) -> Refused | TryLater:
    """What a failure means for the message.

    5xx about a recipient or a message is final, everything else may be mended: a mailbox that is full, a password that
    an operator has yet to correct.
    """
    match fault:
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            code, said = next(iter(recipients.values()))
            return _by_code(code, f"the mail server refused the recipient: {code} {_shown(said)}")
        case smtplib.SMTPDataError(smtp_code=code, smtp_error=said):
            return _by_code(code, f"the mail server refused the message: {code} {_shown(said)}")
        case smtplib.SMTPSenderRefused(smtp_code=code, smtp_error=said):
            return TryLater(None, f"the mail server refused our sender address: {code} {_shown(said)}")
        case smtplib.SMTPAuthenticationError(smtp_code=code, smtp_error=said):
            return TryLater(None, f"the mail server refused our password: {code} {_shown(said)}")
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=said):
            return TryLater(None, f"the mail server answered {code} {_shown(said)}")
        case smtplib.SMTPNotSupportedError() if "SMTPUTF8" in str(fault):
            return Refused("the mail server takes only addresses in ASCII")
        case smtplib.SMTPNotSupportedError():
            return TryLater(None, f"the mail server cannot do what is configured: {_shown(str(fault))}")
        case ssl.SSLError():
            return TryLater(None, f"no encrypted connection to the mail server: {_shown(str(fault))}")
        case TimeoutError():
            return TryLater(None, "the mail server did not answer in time")
        case smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return TryLater(None, "the mail server did not answer in time")
        case smtplib.SMTPServerDisconnected():
            return TryLater(None, "the mail server ended the connection")
        case _:
            return TryLater(None, f"the mail server cannot be reached: {_shown(str(fault))}")


def _by_code(code: int, cause: str) -> Refused | TryLater:
    return Refused(cause) if 500 <= code <= 599 else TryLater(None, cause)


def _shown(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return line_of(text, CAUSE_MAX_CHARS)
