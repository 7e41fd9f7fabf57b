"""Whose turn it is among the messages about one alert to one recipient. Pure.

They go out in the order in which they stand in the ledger. A digest that is due is one of them: it may be at the
target, and show the alert as it was before. What is put aside for later is not, and what has ended neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protocol.notify import Channel, Delivery, DeliveryState, Recipient


def ahead_of(earlier: Sequence[Delivery], now: int) -> Delivery | None:
    """The last of these that is still to be sent by now: whoever comes after them waits for that one. None: for none.

    `earlier`: the lines of the same alert and recipient that were written before, the oldest first.
    """
    return next((each for each in reversed(earlier) if _is_to_be_sent(each, now)), None)


def in_line(lines: Iterable[Delivery], now: int) -> dict[str, Delivery]:
    """Of all lines of an alert, the oldest first, those that wait for another one, by their keys, with that one."""
    last: dict[tuple[Channel, Recipient], Delivery] = {}
    found: dict[str, Delivery] = {}
    for line in lines:
        place = (line.channel, line.recipient)
        if _is_to_be_sent(line, now):
            if line.due is None and place in last:
                found[line.key] = last[place]
            last[place] = line
    return found


def _is_to_be_sent(line: Delivery, now: int) -> bool:
    return line.state is DeliveryState.QUEUED and (line.due is None or line.due <= now)
