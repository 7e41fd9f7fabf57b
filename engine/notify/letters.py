"""A notification as an e-mail: the bytes that a mail server is handed. Pure, but for the boundary's random name.

- The Message-ID is made of the delivery's key, so one that is sent twice (a connection that broke before the answer)
  is the same message to every program that looks.
- All mails about an alert refer to one message that never was (`References`): programs show them as one thread, and we
  need not remember which was first. Decided against one subject for all of a thread: Gmail would thread by it, but the
  word that counts ("Resolved") has to be in the line that a phone shows.
- `Auto-Submitted` (RFC 3834) keeps out-of-office replies away; our own headers let people filter.
- A header is one line without unprintable characters, whatever producers wrote: `line_of`, and the standard library
  refuses line ends besides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, EmailPolicy
from typing import NamedTuple

from msgspec.structs import replace

from engine.core.notices.notice import FACT_MAX_CHARS, SUBJECT_MAX_CHARS, line_of
from engine.notify.addresses import Mailbox
from protocol import wording
from protocol.notify import Outgoing, Rendered
from protocol.times import SECOND_US

# Bodies go as quoted-printable or base64: no server on the way has to know 8BITMIME.
_SEVEN_BITS = SMTP.clone(cte_type="7bit")
_SEVEN_BITS_UTF8 = SMTPUTF8.clone(cte_type="7bit")


# Headers of RFC 2369 and 8058.
_LIST = "List-"
# RFC 5322: 998 with the header's name.
_LINE_MAX_CHARS = 960


class Letter(NamedTuple):
    """A mail, ready to be sent. `needs_utf8`: its address has other letters than ASCII's."""

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool


def letter_of(message: Outgoing, rendered: Rendered, sender: Mailbox, to: Mailbox, now_us: int, site: str) -> Letter:
    """The mail that says this. `now_us`: when it is sent; `site`: where preferences are, if that is known."""
    needs_utf8 = not to.address.isascii() or not sender.address.isascii()
    policy: EmailPolicy[EmailMessage] = _SEVEN_BITS_UTF8 if needs_utf8 else _SEVEN_BITS
    mail = EmailMessage(policy)
    mail["From"] = _address(sender)
    mail["To"] = _address(to)
    mail["Date"] = datetime.fromtimestamp(now_us // SECOND_US, UTC)
    mail["Message-ID"] = f"<{message.key}@{sender.domain}>"
    if (thread := _thread(message, sender)) is not None:
        mail["In-Reply-To"] = mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    for name, value in _for_filters(message, site):
        mail[name] = line_of(value, FACT_MAX_CHARS)
    first = _subject(rendered.subject) + b"".join(_for_lists(message))
    mail.set_content(rendered.text)
    if rendered.html:
        mail.add_alternative(rendered.html, subtype="html")
    return Letter(sender.address, to.address, first + mail.as_bytes(), needs_utf8)


def with_more(rendered: Rendered, waiting: int) -> Rendered:
    """The same, and how many mails to this address wait behind this one."""
    if not waiting:
        return rendered
    said = f"{wording.waiting(waiting, 'mail', 'to this address')}."
    # What people wrote is escaped: the document ends only once.
    document, end, rest = rendered.html.rpartition("</body>")
    html = f"{document}<p>{said}</p>{end}{rest}" if end else rendered.html
    return replace(rendered, text=f"{rendered.text.rstrip()}\n\n{said}\n", html=html)


def _subject(text: str) -> bytes:
    """The header's lines. The library's newer folding loses spaces between encoded words; its older one does not."""
    line = line_of(text, SUBJECT_MAX_CHARS)
    # What looks like an encoded word is encoded itself: else a program would show what it decodes to.
    charset = "us-ascii" if line.isascii() and "=?" not in line else "utf-8"
    folded = Header(line, charset, header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {folded}\r\n".encode("ascii")


def _address(box: Mailbox) -> Address:
    local, _, domain = box.address.rpartition("@")
    return Address(line_of(box.name, FACT_MAX_CHARS), local, domain)


def _thread(message: Outgoing, sender: Mailbox) -> str | None:
    """What all mails about one alert to one recipient refer to; a digest or a test is alone."""
    if len(message.alerts) != 1:
        return None
    spelled = f"{message.workspace}\0{message.alerts[0].id}\0{message.recipient.name}"
    name = hashlib.blake2b(spelled.encode(), digest_size=16).hexdigest()
    return f"<alert_{name}@{sender.domain}>"


def _for_filters(message: Outgoing, site: str) -> list[tuple[str, str]]:
    """Words that a mail program's rules can look for."""
    named = [("X-Tocsin-Workspace", message.workspace), ("X-Tocsin-Change", message.change.value)]
    if message.alerts:
        loudest = max(message.alerts, key=lambda alert: alert.severity.rank)
        named.append(("X-Tocsin-Severity", loudest.severity.value))
        named += [("X-Tocsin-Framework", loudest.framework_id)] if len(message.alerts) == 1 else []
    if site and message.recipient.user is not None:
        named.append(("X-Tocsin-Preferences", f"{site.rstrip('/')}/api/v1/preferences"))
    return [*named, *(each for each in message.headers if not each[0].startswith(_LIST))]


def _for_lists(message: Outgoing) -> Iterator[bytes]:
    """What mail programs' own buttons go by, each on one line: the library would encode what is longer than a line."""
    for name, value in message.headers:
        if name.startswith(_LIST) and len(value) <= _LINE_MAX_CHARS and value.isascii() and value.isprintable():
            yield f"{name}: {value}\r\n".encode("ascii")
