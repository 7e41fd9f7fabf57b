"""A report as plain text: what a mail program shows that wants no HTML, and what a terminal shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.core.reports.document import Bar, Document, Line, Section

_BAR_CHARS = 24
_NAME_CHARS = 40


def text(document: Document) -> str:
    """All of it."""
    parts = [document.title, "=" * len(document.title), "", document.lead]
    for section in document.sections:
        parts += ["", *_section(section)]
    parts += ["", document.foot]
    if document.link:
        parts.append(f"All of it: {document.link}")
    if document.leave:
        parts.append(f"To stop this report: {document.leave}")
    return "\n".join(parts) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield section.title
    yield "-" * len(section.title)
    for tile in section.tiles:
        yield f"{tile.name}: {tile.value}{f' ({tile.note})' if tile.note else ''}"
    yield from _bars(section.bars)
    if section.rows:
        yield from _table([section.head, *section.rows])
    for line in section.lines:
        yield from _line(line)
    if section.foot:
        yield section.foot


def _bars(bars: Sequence[Bar]) -> Iterator[str]:
    names = max((len(bar.name) for bar in bars), default=0)
    values = max((len(bar.value) for bar in bars), default=0)
    for bar in bars:
        # What is there at all is seen.
        length = max(round(bar.share * _BAR_CHARS), 1 if bar.share else 0)
        said = f"{bar.name:<{names}}  {bar.value:>{values}}  {'#' * length}"
        yield f"{said.rstrip()}  {bar.note}".rstrip()


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    short = [[_cut(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in short) for place in range(len(short[0]))]
    for row in short:
        first, *others = zip(row, widths, strict=True)
        yield "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)]).rstrip()


def _cut(text: str) -> str:
    return text if len(text) <= _NAME_CHARS else f"{text[: _NAME_CHARS - 1]}…"


def _line(line: Line) -> Iterator[str]:
    yield f"* {f'{line.tone.upper()} ' if line.tone else ''}{line.text}"
    if line.note:
        yield f"  {line.note}"
