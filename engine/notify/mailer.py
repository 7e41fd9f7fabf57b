"""Sends e-mail: the sender of the channel `email`, and the owner of the connections to the mail server.

Owns: at most `connections_max` connections, those in use and those kept for the next mail; when the server was last
found away; and the line before each address that was sent something lately. Asked by jobs, each of which waits for its
own mail: for a free connection and for the server, together no longer than `total_s`. A kept connection is ended when
it was not used for `keep_s`: that is what the task does. If it crashes nothing is lost: connections are opened again
when needed.

A server that is away (not reached, no TLS, no password) is away for everybody's mail: who comes within `AWAY_S` is put
off without asking it again and without using up an attempt; whoever sends loses patience after a day (`sending.py`).
"""

from __future__ import annotations

import math
import smtplib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import trio

from actors.bell import Bell
from actors.ports import Clock
from actors.supervisor import Started
from engine.core.pacing import Pacer
from engine.notify.addresses import Mailbox, address_in
from engine.notify.letters import Letter, letter_of, with_more
from engine.notify.ports import NO_MAIL_SERVER, Outcome, Refused, Sent, TryLater
from engine.notify.smtp import MailLink, meaning_of
from engine.sections.smtp import Smtp
from protocol.notify import Outgoing
from protocol.times import SECOND_US

# A mail server that restarts is back within a minute; asked twice a minute it notices nothing of us.
AWAY_S = 30.0
# Addresses that are remembered, about 400 bytes each; who was not sent anything for longest is forgotten.
ADDRESSES_MAX = 10_000
# Nobody is told to come later than that, though his turn may be: by then the rate may have been changed.
WAIT_MAX_S = 3_600.0
REFUSALS = (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPSenderRefused)

# Where a message goes, or why it does not; None: no address is known.
AddressOf = Callable[[Outgoing], Awaitable[str | Refused | None]]

# What came of a mail that the server was asked to take. Not of one that only waits for its turn.
Note = Callable[[Outgoing, Outcome], None]


def no_note(message: Outgoing, outcome: Outcome) -> None:
    """Nobody keeps account."""


class _Kept(NamedTuple):
    line: MailLink
    until: float


class Mailer:
    """Sends by e-mail. `site`: where links lead (`notify.public_url`)."""

    def __init__(
        self,
        config: Smtp,
        clock: Clock,
        address_of: AddressOf,
        site: str = "",
        note: Note = no_note,
    ) -> None:
        self._note = note
        self._config = config
        self._sender = address_in(config.sender) or Mailbox("")
        self._clock = clock
        self._site = site
        self._address_of = address_of
        self._room = trio.CapacityLimiter(config.connections_max)
        # A thread that could not be ended yet still counts: else a resolver that hangs would cost one thread a mail.
        self._threads = trio.CapacityLimiter(config.connections_max + 1)
        self._kept: list[_Kept] = []
        self._something_kept = Bell()
        self._away_until, self._away_cause = -1.0, ""
        self._lines: OrderedDict[str, Pacer] = OrderedDict()
        self._figures = dict.fromkeys(("sent", "refused", "put_off", "slowed", "failed", "connections"), 0)

    def statistics(self) -> Mapping[str, int]:
        """Mails by what came of them, connections opened, and those kept open now."""
        return {**self._figures, "connections_kept": len(self._kept)}

    def waiting(self, text: str) -> int:
        """How many mails to an address wait for their turn."""
        box = address_in(text)
        return 0 if box is None else self._in_line(box)

    async def send(self, message: Outgoing) -> Outcome:
        """Hands a mail to the mail server."""
        outcome = await self._send(message)
        match outcome:
            case Sent():
                self._figures["sent"] += 1
            case Refused():
                self._figures["refused"] += 1
            case TryLater(after_s=None):
                self._figures["failed"] += 1
            case TryLater():
                self._figures["put_off"] += 1
        return outcome

    async def _send(self, message: Outgoing) -> Outcome:
        if not self._config.host:
            return Refused(NO_MAIL_SERVER)
        text = await self._address_of(message)
        if isinstance(text, Refused):
            return text
        to = address_in(text or "")
        if to is None or message.rendered is None:
            return Refused(f"{text or ''!r:.80} is no mail address; write one like ada@example.com")
        if (wait_s := self._away_until - trio.current_time()) > 0:
            return TryLater(wait_s, self._away_cause)
        if wait_s := self._wait_s(message, to):
            self._figures["slowed"] += 1
            return TryLater(wait_s, "this address was sent many mails just now (notify.smtp.per_recipient_s)")
        rendered = with_more(message.rendered, self._in_line(to))
        letter = letter_of(message, rendered, self._sender, to, self._clock(), self._site)
        outcome = await self._tried(letter)
        self._note(message, outcome)
        return outcome

    def _wait_s(self, message: Outgoing, to: Mailbox) -> float:
        """When it is the turn of this mail to an address; 0: now."""
        if not self._config.per_recipient_s:
            return 0.0
        name = to.address.casefold()
        if name not in self._lines:
            self._lines[name] = Pacer(1 / self._config.per_recipient_s, self._config.per_recipient_burst)
            if len(self._lines) > ADDRESSES_MAX:
                self._lines.popitem(last=False)
        self._lines.move_to_end(name)
        now = int(trio.current_time() * SECOND_US)
        wait_us = self._lines[name].wait_us(message.key, now, message.is_urgent)
        return min(wait_us / SECOND_US, WAIT_MAX_S)

    def _in_line(self, to: Mailbox) -> int:
        line = self._lines.get(to.address.casefold())
        return 0 if line is None else line.waiting

    async def _tried(self, letter: Letter) -> Outcome:
        with trio.move_on_after(self._config.total_s):
            async with self._room:
                return await self._deliver(letter)
        if (wait_s := self._away_until - trio.current_time()) > 0:
            return TryLater(wait_s, self._away_cause)
        return TryLater(None, f"not done within {self._config.total_s:g} s (notify.smtp.total_s)")

    async def _deliver(self, letter: Letter) -> Outcome:
        line = self._kept.pop().line if self._kept else MailLink(self._config)
        opened, is_usable = line.opened, False
        try:
            await trio.to_thread.run_sync(line.deliver, letter, abandon_on_cancel=True, limiter=self._threads)
            is_usable = True
            return Sent()
        except (smtplib.SMTPException, OSError) as fault:
            # After a refusal of one mail the connection is as good as before, unless it was ended with it.
            is_usable = line.is_in and line.sock is not None and isinstance(fault, REFUSALS)
            return self._failed(line, meaning_of(fault))
        except trio.Cancelled:
            self._failed(line, TryLater(None, "the mail server did not let us in in time"))
            raise
        finally:
            self._figures["connections"] += line.opened - opened
            if is_usable:
                self._keep(line)
            else:
                line.abort()

    def _failed(self, line: MailLink, outcome: Refused | TryLater) -> Outcome:
        if line.is_in:
            return outcome
        self._away_until, self._away_cause = trio.current_time() + AWAY_S, outcome.cause
        return TryLater(AWAY_S, outcome.cause)

    def _keep(self, line: MailLink) -> None:
        self._kept.append(_Kept(line, trio.current_time() + self._config.keep_s))
        self._something_kept.ring()

    async def run(self, status: Started) -> None:
        """Ends connections that nobody uses any more, until cancelled; then all that are kept."""
        status.started()
        try:
            while True:
                await self._something_kept.wait(math.inf)
                while self._kept:
                    # The last one that was kept is the next one to be used: the first has been idle for longest.
                    await trio.sleep_until(self._kept[0].until)
                    await self._end_idle()
        finally:
            while self._kept:
                self._kept.pop().line.abort()

    async def _end_idle(self) -> None:
        now = trio.current_time()
        while self._kept and self._kept[0].until <= now:
            line = self._kept.pop(0).line
            try:
                await trio.to_thread.run_sync(line.leave, abandon_on_cancel=True, limiter=self._threads)
            finally:
                line.abort()
