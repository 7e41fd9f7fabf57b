"""Which ids are allowed, and how channels are spelled.

An id (framework, user, rule): 1-128 characters, any Unicode letter, digit, space or `._-/@:`, no path segment `.` or
`..`. Workspace ids moreover have no `:`, so that `alerts:<workspace>:<framework>` can be taken apart again.
"""

from __future__ import annotations

import re
from functools import lru_cache

from protocol.errors import BadRequest, UnknownChannel
from protocol.fields import ID_MAX_CHARS
from protocol.model import ChannelKey, DerivedKey, StreamKey

_ID = re.compile(rf"[\w .\-/@:]{{1,{ID_MAX_CHARS}}}")
_SEGMENT = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
WORKSPACE_STREAM = "workspace"
USER_STREAM = "user"


# A megabyte at most, also when strangers choose the names; one that is not in it costs a microsecond.
@lru_cache(maxsize=1_000)
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


def parse_channel(channel: str, workspace: str, user: str) -> StreamKey:
    """What a requested channel means when this user of this workspace asks for it.

    Takes `alerts:<framework>`, `alerts:<workspace>:<framework>`, `project:<id>`, `workspace` (also `alerts:*`) and
    `user` (also by one's own name). Raises UnknownChannel for anything else, for another workspace's channel and for
    another person's stream: all look the same from outside. So what
    stands before a colon after `alerts:` is a workspace, and a framework whose id has a colon is asked for by its full
    channel name or by `frameworkId`.
    """
    if channel in (WORKSPACE_STREAM, "alerts:*", f"alerts:{workspace}:*"):
        return DerivedKey(workspace)
    if channel in (USER_STREAM, f"user:{user}", f"user:{workspace}:{user}"):
        return DerivedKey(workspace, user)
    kind, _, name = channel.partition(":")
    if kind not in ("alerts", "project") or not name:
        raise UnknownChannel(
            f"there is no channel {channel[:160]!r}; ask for 'alerts:<framework>', 'workspace' or 'user'"
        )
    owner, colon, rest = name.partition(":")
    if kind == "alerts" and colon:
        # Another workspace's name leads to no id at all.
        name = rest if owner == workspace else ""
    if not is_id(name):
        raise UnknownChannel(f"there is no channel {channel[:160]!r}")
    return ChannelKey(workspace, name)
