"""Which ids are allowed, and how channels are spelled.

An id (framework, user, rule): 1-128 characters, any Unicode letter, digit, space or `._-/@:`, no path segment `.` or
`..`. Workspace ids moreover have no `:`, so that `alerts:<workspace>:<framework>` can be taken apart again.
"""

from __future__ import annotations

import re
from functools import lru_cache

from protocol.errors import BadRequest, UnknownChannel
from protocol.model import ID_MAX_CHARS, ChannelKey

_ID = re.compile(rf"[\w .\-/@:]{{1,{ID_MAX_CHARS}}}")
_SEGMENT = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
WORKSPACE_STREAM = "workspace"


@lru_cache(maxsize=10_000)
def is_id(text: str) -> bool:
    """Whether the text is an allowed id. Cached: the same few names come in every message."""
    return _ID.fullmatch(text) is not None and _SEGMENT.search(text) is None


def is_workspace(text: str) -> bool:
    """Whether the text is an allowed workspace id."""
    return is_id(text) and ":" not in text


def check_id(text: str, what: str) -> str:
    """Gives the id back, or raises BadRequest that names `what` and says what is allowed."""
    if not is_id(text):
        raise BadRequest(
            f"{what} {text[:64]!r} is not allowed: use 1-{ID_MAX_CHARS} letters, digits, spaces or ._-/@: "
            "and no path segment '.' or '..'"
        )
    return text


def parse_channel(channel: str, workspace: str) -> ChannelKey | None:
    """What a requested channel means inside a workspace; None is the stream of the whole workspace.

    Takes `alerts:<framework>`, `alerts:<workspace>:<framework>`, `project:<id>`, `workspace` and `alerts:*`. Raises
    UnknownChannel for anything else and for another workspace's channel: both look the same from outside. So what
    stands before a colon after `alerts:` is a workspace, and a framework whose id has a colon is asked for by its full
    channel name or by `frameworkId`.
    """
    if channel in (WORKSPACE_STREAM, "alerts:*", f"alerts:{workspace}:*"):
        return None
    kind, _, name = channel.partition(":")
    if kind not in ("alerts", "project") or not name:
        raise UnknownChannel(f"there is no channel {channel[:160]!r}; ask for 'alerts:<framework>' or 'workspace'")
    owner, colon, rest = name.partition(":")
    if kind == "alerts" and colon:
        # Another workspace's name leads to no id at all.
        name = rest if owner == workspace else ""
    if not is_id(name):
        raise UnknownChannel(f"there is no channel {channel[:160]!r}")
    return ChannelKey(workspace, name)
