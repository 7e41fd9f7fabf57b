"""What is shown of a store's URL: never a password, also of one that is written wrongly and so means no store.

Not by urlsplit, which finds no login where the slashes are missing, or a password has a slash of its own.
"""

from __future__ import annotations

import re

# `scheme://user:password@`, with any number of slashes, up to the last @; `scheme://user@` has no password.
_LOGIN = re.compile(r"\A((?:[A-Za-z][\w+.-]*:)?/*[^@:]*):(?!//).*@", re.DOTALL)
# asyncpg takes it from there too.
_PARAMETER = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.IGNORECASE)


def without_password(url: str, mask: str) -> str:
    """The URL with `mask` in the place of its password. A path without both `:` and `@` stays as it is."""
    return _PARAMETER.sub(rf"\g<1>{mask}", _LOGIN.sub(rf"\1:{mask}@", url))
