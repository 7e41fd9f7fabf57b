"""A notice as plain text: for e-mail's first part, for Slack's notification line, and for whatever else takes text."""

from __future__ import annotations

from collections.abc import Iterator

from engine.core.notices.notice import Notice


def text(notice: Notice) -> str:
    """The whole notice, in lines."""
    return "\n".join(_lines(notice)).strip() + "\n"


def _lines(notice: Notice) -> Iterator[str]:
    yield notice.subject
    yield ""
    yield notice.lead
    if notice.body:
        yield ""
        yield notice.body
    yield ""
    width = max((len(fact.name) for fact in notice.facts), default=0) + 1
    for fact in notice.facts:
        yield f"{fact.name + ':':{min(width, 24)}} {fact.value}"
    for entry in notice.entries:
        yield f"- {entry.severity.value.upper()} {entry.title} ({entry.framework}, {entry.state.value}, {entry.at})"
        if entry.url:
            yield f"  {entry.url}"
    if notice.more:
        yield f"- and {notice.more} more"
    yield ""
    if notice.links.acknowledge:
        yield f"Acknowledge: {notice.links.acknowledge}"
    if notice.alert is not None and (url := notice.links.alert(notice.alert.id)):
        yield f"Open: {url}"
    yield ""
    yield "--"
    yield notice.foot
