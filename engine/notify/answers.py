"""What a server's answer means for a message: done, to be tried again and when, or never. Pure.

2xx                     delivered
429, 503 Retry-After    again when it says, at most an hour from now; no attempt is used up
408, 425, 5xx           a failed attempt
3xx                     refused: redirects are not followed
410                     refused, and its endpoint is switched off (`Gone`)
other 4xx               refused: the same again would be, too
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from engine.notify.connector import Answer
from engine.notify.ports import Outcome, Refused, Sent, TryLater
from protocol.times import SECOND_US

GONE = 410

# Longer a message that somebody waits for is not put off at a server's word; it asks again then.
RETRY_AFTER_MAX_S = 3_600.0
RETRY_AFTER_MIN_S = 1.0
# 429 without a word about when.
RETRY_AFTER_USUAL_S = 30.0
# Of what it said, for the ledger.
SAID_MAX_CHARS = 120
_AGAIN = frozenset({408, 425})


class Gone(Refused, frozen=True):
    """The target is gone for good: its endpoint is switched off."""


def outcome_of(answer: Answer, now: int) -> Outcome:
    """What an answer means; `now` in microseconds, for a `Retry-After` that is a date."""
    status = answer.status
    if 200 <= status < 300:
        return Sent(is_delivered=True)
    words = f"answered {status}{_said(answer.body)}"
    asked = retry_after_s(answer.headers, now)
    if status == 429 or (status == 503 and asked is not None):
        return TryLater(RETRY_AFTER_USUAL_S if asked is None else asked, words)
    if status >= 500 or status in _AGAIN:
        return TryLater(None, words)
    if 300 <= status < 400:
        return Refused(f"answered {status}: redirects are not followed, write down where it leads")
    if status == GONE:
        return Gone(f"{words}: it is gone")
    return Refused(words)


def retry_after_s(headers: Mapping[str, str], now: int) -> float | None:
    """How long a server asks us to wait, within our bounds; None: it does not say (in words that we know)."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", text, re.ASCII):
        seconds = float(text)
    elif (moment := _date(text)) is not None:
        seconds = moment.timestamp() - now / SECOND_US
    else:
        return None
    return min(max(seconds, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        # OverflowError: of a zone that is further away than there are days.
        return None
    # `-0000`: UTC, from who does not know his own zone (RFC 5322, 3.3); the library leaves it without one.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _said(body: bytes) -> str:
    """The first line of a body, as far as it can be shown."""
    text = body[: 4 * SAID_MAX_CHARS].decode(errors="replace").strip().partition("\n")[0]
    shown = "".join(character for character in text if character.isprintable())[:SAID_MAX_CHARS]
    return f" ({shown})" if shown and shown != "{}" else ""
