"""Where a foreign alert belongs: the framework that its labels name, as an id that we allow. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from protocol.fields import ID_MAX_CHARS
from protocol.names import is_id

_REFUSED = re.compile(r"[^\w .\-/@:]")


def framework_of(labels: Mapping[str, str], fallback: str) -> str:
    """The framework of a label set: `framework_id`, else `framework`, else `job`, else the fallback; always an
    allowed id."""
    for name in ("framework_id", "framework", "job"):
        if value := labels.get(name, "").strip():
            return allowed_id(value)
    return fallback


def allowed_id(text: str) -> str:
    """The text itself if it is an allowed id, else the same with `_` for each refused character and dot segment."""
    if is_id(text):
        return text
    plain = _REFUSED.sub("_", text[:ID_MAX_CHARS])
    return "/".join("_" * len(part) if part in (".", "..") else part for part in plain.split("/"))
