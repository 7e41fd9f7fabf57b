"""The front door: what a program imports and the `tocsin` command.

    from tocsin import Client, Config, Engine

Owns no engine logic. The names are looked up when they are used, so that a client does not load an HTTP server and
`tocsin token` starts at once. Tocsin's other packages have common names (`engine`, `actors`, `protocol`); in an
application with a package of the same name we would get that one and fail somewhere deep inside. So this file looks
first where the names lead, and says plainly what stands in the way.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.app import Engine
    from engine.configuration.config import Config
    from engine.configuration.fields import ConfigError, Secret
    from engine.configuration.settings import load as load_config
    from protocol.client_session import ClientState
    from protocol.codec import WireForm
    from protocol.errors import StoreRefused, TocsinError
    from protocol.items import ItemResult, ReadingInput, TriggerInput
    from protocol.messages import AlertMessage
    from protocol.model import Severity
    from tocsin.client import Client, ClientLimits
    from tocsin.errors import CannotConnect, ClientStopped, ConnectionLost, Lost, NoAnswer, NotRunning

__all__ = (
    "AlertMessage",
    "CannotConnect",
    "Client",
    "ClientLimits",
    "ClientState",
    "ClientStopped",
    "Config",
    "ConfigError",
    "ConnectionLost",
    "Engine",
    "ItemResult",
    "Lost",
    "NoAnswer",
    "NotRunning",
    "ReadingInput",
    "Secret",
    "Severity",
    "StoreRefused",
    "TocsinError",
    "TriggerInput",
    "WireForm",
    "load_config",
)

_OURS = ("engine", "actors", "protocol")
# Where each public name is at home; `load_config` is `engine.configuration.settings.load`.
_HOMES = {
    "engine.app": ("Engine",),
    "engine.configuration.config": ("Config",),
    "engine.configuration.fields": ("ConfigError", "Secret"),
    "protocol.codec": ("WireForm",),
    "protocol.errors": ("StoreRefused", "TocsinError"),
    "protocol.items": ("ItemResult", "ReadingInput", "TriggerInput"),
    "protocol.messages": ("AlertMessage",),
    "protocol.model": ("Severity",),
    "protocol.client_session": ("ClientState",),
    "tocsin.client": ("Client", "ClientLimits"),
    "tocsin.errors": ("CannotConnect", "ClientStopped", "ConnectionLost", "Lost", "NoAnswer", "NotRunning"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def _place(package: str) -> Path | None:
    """The folder that holds a top-level package, without importing it; None if there is none with an __init__.py."""
    loaded = sys.modules.get(package)
    origin = getattr(loaded, "__file__", None) if loaded else getattr(importlib.util.find_spec(package), "origin", None)
    return Path(origin).resolve().parent.parent if origin else None


def _check_not_shadowed() -> None:
    """Raises ImportError if `engine`, `actors` or `protocol` would be somebody else's package."""
    home = Path(__file__).resolve().parent.parent
    for package in _OURS:
        place = _place(package)
        if place == home:
            continue
        if place is None:
            raise ImportError(
                f"Tocsin's own package {package!r} was not found beside {home / 'tocsin'}: reinstall tocsin"
            )
        raise ImportError(
            f"Tocsin needs its own {package!r} (in {home}), but the name leads to {place / package}: that comes "
            f"first on sys.path and shadows ours. Rename that package, or start your program so that {place} is not on "
            "sys.path (python -P, or run it as an installed package); or run `tocsin serve` as a process of its own "
            "and talk to it over HTTP or WebSocket."
        )


def __getattr__(name: str) -> Any:
    if name == "load_config":
        return importlib.import_module("engine.configuration.settings").load
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tocsin' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


_check_not_shadowed()
