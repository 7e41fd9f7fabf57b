"""A notice as HTML for mail programs: tables and inline styles, because many know nothing else; nothing is loaded.

Everything that anybody wrote is escaped; an address becomes a link only if it is http or https (`notice._chosen`) or
our own. There are no images, fonts, scripts or forms: a mail that loads something tells its sender who read it when.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from engine.core.notices.notice import Entry, Fact, Notice
from protocol.model import Severity

_COLOURS = {
    Severity.INFO: "#2563eb",
    Severity.WARNING: "#b45309",
    Severity.ERROR: "#c2410c",
    Severity.CRITICAL: "#b91c1c",
}
_CELL = "padding:4px 12px 4px 0;vertical-align:top"
_BUTTON = "display:inline-block;padding:10px 18px;margin:0 8px 8px 0;border-radius:6px;text-decoration:none"


def html(notice: Notice) -> str:
    """A whole document."""
    colour = _COLOURS[notice.severity]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(notice.subject)}</title></head>'
        '<body style="font-family:sans-serif;font-size:15px;line-height:1.45;margin:0;padding:16px">'
        f'<div style="border-left:6px solid {colour};padding-left:14px;max-width:640px">'
        f'<h1 style="font-size:19px;margin:0 0 8px">{escape(notice.subject)}</h1>'
        f'{"".join(_parts(notice))}</div><p style="font-size:12px;color:#666;max-width:640px">{escape(notice.foot)}</p>'
        "</body></html>\n"
    )


def _parts(notice: Notice) -> Iterator[str]:
    yield _paragraph(notice.lead)
    if notice.body:
        yield _paragraph(notice.body)
    if notice.facts:
        yield f'<table style="border-collapse:collapse">{"".join(map(_fact, notice.facts))}</table>'
    if notice.entries:
        yield f'<table style="border-collapse:collapse">{"".join(map(_entry, notice.entries))}</table>'
    if notice.more:
        yield _paragraph(f"and {notice.more} more")
    yield from _buttons(notice)


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 12px;white-space:pre-wrap">{escape(text)}</p>'


def _fact(fact: Fact) -> str:
    value = _link(fact.url, fact.value) if fact.url else escape(fact.value)
    return f'<tr><td style="{_CELL};color:#666">{escape(fact.name)}</td><td style="{_CELL}">{value}</td></tr>'


def _entry(entry: Entry) -> str:
    title = _link(entry.url, entry.title) if entry.url else escape(entry.title)
    return (
        f'<tr><td style="{_CELL};color:{_COLOURS[entry.severity]}">{entry.severity.value.upper()}</td>'
        f'<td style="{_CELL}">{title}<br><span style="color:#666">{escape(entry.framework)}, {entry.state.value}, '
        f"{escape(entry.at)}</span></td></tr>"
    )


def _buttons(notice: Notice) -> Iterator[str]:
    if notice.links.acknowledge:
        style = f"{_BUTTON};background:{_COLOURS[notice.severity]};color:#fff"
        yield f'<p style="margin:16px 0 0">{_link(notice.links.acknowledge, "Acknowledge", style)}</p>'
    if notice.alert is not None and (url := notice.links.alert(notice.alert.id)):
        yield f'<p style="margin:8px 0 0">{_link(url, "Open the alert")}</p>'


def _link(url: str, text: str, style: str = "") -> str:
    styled = f' style="{style}"' if style else ""
    return f'<a href="{escape(url)}" rel="noreferrer"{styled}>{escape(text)}</a>'
