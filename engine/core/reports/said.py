"""Numbers in words, short enough for a line of a mail."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.wording import noun

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def number(count: int) -> str:
    """`1,234`."""
    return f"{count:,}"


def several(count: int, one: str) -> str:
    """`1 alert`, `1,200 alerts`."""
    return f"{number(count)} {noun(count, one)}"


def percent(share: float) -> str:
    """A share of 0 to 1. What is not quite all or nothing is not told as that."""
    said = round(share * 100)
    if said in (0, 100) and 0 < share < 1:
        return "under 1 %" if said == 0 else "over 99 %"
    return f"{said} %"


def span(seconds: float) -> str:
    """`4 min 10 s`: the largest two units that are not zero next to each other."""
    return " ".join(_units(max(0, round(seconds)))) or "0 s"


def _units(left: int) -> Iterator[str]:
    for place, (length, unit) in enumerate(_UNITS):
        if left >= length:
            yield f"{left // length} {unit}"
            if place + 1 < len(_UNITS):
                smaller, its = _UNITS[place + 1]
                if more := left % length // smaller:
                    yield f"{more} {its}"
            return


def change_of(now: int, before: int) -> str:
    """How a number compares with the week before's: `31 % fewer than the week before (307)`."""
    if not before:
        return "none the week before"
    if now == before:
        return "as many as the week before"
    more = "more" if now > before else "fewer"
    if now >= 3 * before:
        return f"{now / before:.1f} times as many as the week before ({number(before)})"
    return f"{percent(abs(now - before) / before)} {more} than the week before ({number(before)})"
