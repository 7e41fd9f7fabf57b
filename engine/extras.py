"""How to come by a library that only some need: said by whatever misses one. In one place, so that it stays true."""

from __future__ import annotations

from typing import Final

# With nodes.lock come exactly the versions that are tested; the others have no lock of their own.
_IN_A_CHECKOUT: Final = {
    "postgres": "--require-hashes -r requirements/nodes.lock",
    "redis": "--require-hashes -r requirements/nodes.lock",
    "apprise": "--editable '.[apprise]'",
    "otel": "--editable '.[otel]'",
}


def how_to_get(extra: str) -> str:
    """The commands for an extra of pyproject.toml: in a checkout, as README and docs have it, and with a release."""
    return f".venv/bin/pip install {_IN_A_CHECKOUT[extra]} in a checkout, pip install 'tocsin[{extra}]' with a release"
