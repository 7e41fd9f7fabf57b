"""What a report consists of, whatever it is written in: figures, bars and tables, each with its heading.

All texts are one line each and printable when they come in here (`weekly`); escaping is the affair of each form.
"""

from __future__ import annotations

from typing import NamedTuple


class Tile(NamedTuple):
    """One figure: what, how much, and what there is to say besides."""

    name: str
    value: str
    note: str = ""


class Part(NamedTuple):
    """A stretch of a bar: its share of the longest bar (0 to 1), and a severity's word, or "" for a plain one."""

    share: float
    tone: str = ""


class Bar(NamedTuple):
    """A bar with its number in words. `before`: the share of what it is compared with; None: with nothing."""

    name: str
    value: str
    parts: tuple[Part, ...]
    before: float | None = None
    note: str = ""

    @property
    def share(self) -> float:
        """Of the longest one."""
        return min(1.0, sum(part.share for part in self.parts))


class Line(NamedTuple):
    """A line of a list: the main thing, and what there is to say of it."""

    text: str
    note: str = ""
    tone: str = ""


class Section(NamedTuple):
    """One part of a report, with what it has of these: figures, bars, a table (`head` and `rows`), lines."""

    title: str
    tiles: tuple[Tile, ...] = ()
    bars: tuple[Bar, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[Line, ...] = ()
    foot: str = ""


class Document(NamedTuple):
    """A report. `link`: where all of it can be seen (empty: nowhere); `leave`: where it is switched off."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    foot: str
    link: str = ""
    leave: str = ""
