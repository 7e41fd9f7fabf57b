"""A report as HTML for mail programs: tables and inline styles, because many know nothing else; nothing is loaded.

Charts are table cells with a colour, each with its number in words beside it: SVG, scripts and outside pictures are
dropped or blocked by mail programs, and a picture within the mail says nothing to who does not see it. Colours that
would be wrong on black are set anew by the one style sheet, for programs that read it; the others turn colours round
by themselves. Widths are shares, so that a phone shows all of it. Everything that anybody wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from engine.core.reports.document import Bar, Document, Line, Part, Section, Tile

_TONES = {"critical": "#b91c1c", "error": "#c2410c", "warning": "#b45309", "info": "#2563eb", "": "#2563eb"}
# Brighter ones for a dark ground: 4.5 to 1 at least, as text.
_TONES_ON_DARK = {"critical": "#f87171", "error": "#fb923c", "warning": "#fbbf24", "info": "#60a5fa", "": "#60a5fa"}
_BEFORE = "#9ca3af"
_SHEET = (
    ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    "@media (prefers-color-scheme:dark){.page{background:#111827!important;color:#f3f4f6!important}"
    ".dim{color:#b6bcc6!important}.rule{border-color:#374151!important}a{color:#93c5fd!important}"
    + "".join(f".t-{tone or 'plain'}{{color:{colour}!important}}" for tone, colour in _TONES_ON_DARK.items())
    + "".join(f".b-{tone or 'plain'}{{background:{colour}!important}}" for tone, colour in _TONES_ON_DARK.items())
    + "}"
)
_WHOLE = 'role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'
# A day's name is not broken, a framework's may have to be.
_WHOLE_CHARS = 10
_DIM = 'class="dim" style="color:#57606a;font-size:13px'


def html(document: Document) -> str:
    """A whole document."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(document.title)}</title><style>{_SHEET}</style></head>"
        '<body class="page" style="margin:0;padding:0;background:#ffffff;color:#111827">'
        '<div class="page" style="font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;font-size:15px;'
        'line-height:1.45;max-width:640px;margin:0 auto;padding:16px;overflow-wrap:anywhere">'
        f'<h1 style="font-size:21px;line-height:1.25;margin:0 0 6px">{escape(document.title)}</h1>'
        f'<p style="margin:0 0 4px">{escape(document.lead)}</p>'
        f"{''.join(_section(section) for section in document.sections)}{_foot(document)}</div></body></html>\n"
    )


def _section(section: Section) -> str:
    return (
        f'<h2 class="rule" style="font-size:16px;margin:24px 0 8px;padding-top:14px;border-top:1px solid #d8dee4">'
        f"{escape(section.title)}</h2>{''.join(_parts(section))}"
    )


def _parts(section: Section) -> Iterator[str]:
    if section.tiles:
        yield f"<table {_WHOLE}>{''.join(map(_tile, section.tiles))}</table>"
    if section.bars:
        yield f"<table {_WHOLE}>{''.join(map(_bar, section.bars))}</table>"
    if section.rows:
        yield _table(section)
    yield from map(_line, section.lines)
    if section.foot:
        yield f'<p {_DIM};margin:8px 0 0">{escape(section.foot)}</p>'


def _tile(tile: Tile) -> str:
    note = f' <span {_DIM}">{escape(tile.note)}</span>' if tile.note else ""
    return (
        f'<tr><td {_DIM};padding:3px 12px 3px 0;vertical-align:top" width="42%">{escape(tile.name)}</td>'
        f'<td style="padding:3px 0;vertical-align:top"><strong>{escape(tile.value)}</strong>{note}</td></tr>'
    )


def _bar(bar: Bar) -> str:
    note = f'<div {_DIM};padding-top:2px">{escape(bar.note)}</div>' if bar.note else ""
    wrap = ";white-space:nowrap" if len(bar.name) <= _WHOLE_CHARS else ""
    before = "" if bar.before is None else _strip((Part(bar.before, "before"),), 4)
    return (
        f'<tr><td style="padding:4px 10px 4px 0;vertical-align:top{wrap}" width="28%">{escape(bar.name)}</td>'
        f'<td style="padding:6px 0;vertical-align:top">{_strip(bar.parts, 12)}{before}{note}</td>'
        f'<td align="right" style="padding:4px 0 4px 10px;vertical-align:top" width="24%">{escape(bar.value)}</td></tr>'
    )


def _strip(parts: tuple[Part, ...], height_px: int) -> str:
    """Cells whose widths are shares. A part that is there at all is seen."""
    left, cells = 100, list[str]()
    for part in parts:
        if part.share > 0 and left:
            width = min(left, max(round(part.share * 100), 1))
            left -= width
            cells.append(_cell(width, part.tone, height_px))
    if left:
        cells.append(f'<td width="{left}%" style="font-size:0;line-height:0;height:{height_px}px">&nbsp;</td>')
    return f'<table {_WHOLE} style="table-layout:fixed"><tr>{"".join(cells)}</tr></table>'


def _cell(width: int, tone: str, height_px: int) -> str:
    colour = _TONES.get(tone, _BEFORE)
    name = f' class="b-{tone or "plain"}"' if tone in _TONES else ""
    style = f"background:{colour};font-size:0;line-height:0;height:{height_px}px"
    return f'<td width="{width}%" bgcolor="{colour}"{name} style="{style}">&nbsp;</td>'


def _table(section: Section) -> str:
    head = "".join(_header(name, place) for place, name in enumerate(section.head))
    rows = "".join(f"<tr>{''.join(_data(cell, place) for place, cell in enumerate(row))}</tr>" for row in section.rows)
    whole = 'width="100%" cellpadding="0" cellspacing="0" border="0"'
    return f'<table {whole} style="border-collapse:collapse"><tr>{head}</tr>{rows}</table>'


def _header(name: str, place: int) -> str:
    style = f"font-weight:normal;padding:2px 0 2px {_gap(place)}px"
    return f'<th scope="col" align="{_side(place)}" {_DIM};{style}">{escape(name)}</th>'


def _data(cell: str, place: int) -> str:
    style = f"padding:4px 0 4px {_gap(place)}px;vertical-align:top"
    return f'<td align="{_side(place)}" style="{style}">{escape(cell)}</td>'


def _side(place: int) -> str:
    return "right" if place else "left"


def _gap(place: int) -> int:
    return 12 if place else 0


def _line(line: Line) -> str:
    tone = f"<strong {_toned(line.tone)}>{escape(line.tone.upper())}</strong> " if line.tone else ""
    note = f'<div {_DIM}">{escape(line.note)}</div>' if line.note else ""
    return f'<div style="margin:0 0 10px">{tone}{escape(line.text)}{note}</div>'


def _toned(tone: str) -> str:
    return f'class="t-{escape(tone)}" style="color:{_TONES.get(tone, _TONES[""])};font-size:13px"'


def _foot(document: Document) -> str:
    link = f"<br>{_link(document.link, 'All of it')}" if document.link else ""
    leave = f"<br>{_link(document.leave, 'Stop this report, or change its day')}" if document.leave else ""
    style = "color:#57606a;font-size:12px;margin:24px 0 0;padding-top:10px;border-top:1px solid #d8dee4"
    return f'<p class="dim rule" style="{style}">{escape(document.foot)}{link}{leave}</p>'


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}" rel="noreferrer" style="color:#1d4ed8">{escape(text)}</a>'
