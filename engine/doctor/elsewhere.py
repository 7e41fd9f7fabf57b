"""An engine that listens elsewhere than this configuration says: at the HTTP address that clients name (TOCSIN_API).

The doctor looks at one machine, its own: an engine of another one cannot be examined from here, and that is said.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from engine.configuration import settings
from engine.configuration.fields import ConfigError
from engine.doctor import asking
from engine.doctor.findings import Finding, Level

CHECK = "api"


def doors(
    api: str, overrides: Mapping[str, object], file: str | Path | None
) -> tuple[dict[str, object], list[Finding]]:
    """The settings `http` and `ws` of the engine at that URL, and what there is to say of it.

    Where the WebSocket is says the engine; nothing, if none answers there.
    """
    try:
        parts = urlsplit(api)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        text, advice = f"{api!r:.200} is no address", "use http://HOST:PORT or https://HOST:PORT (--api, TOCSIN_API)"
        return {}, [Finding(CHECK, Level.FAIL, text, advice)]
    if not _is_here(parts):
        text = f"{parts.hostname} is another machine, and not looked at"
        return {}, [Finding(CHECK, Level.WARNING, text, "say tocsin doctor there, or unset TOCSIN_API")]
    if parts.path.strip("/"):
        text = f"{api!r:.200} is a path of a proxy, and here the engine itself is looked at"
        return {}, [Finding(CHECK, Level.FAIL, text, "name its own port: http://HOST:PORT (--api, TOCSIN_API)")]
    http = f"{parts.hostname if ':' not in (parts.hostname or '') else f'[{parts.hostname}]'}:{port}"
    return _as_it_says(http, overrides, file), []


def _is_here(parts: SplitResult) -> bool:
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _as_it_says(http: str, overrides: Mapping[str, object], file: str | Path | None) -> dict[str, object]:
    there: dict[str, object] = {"http": http}
    try:
        about = asking.about(settings.load({**overrides, **there}, file=file))
    except ConfigError:
        return there  # it is said with the configuration
    said = urlsplit(str(about.get("ws"))).netloc if about is not None else ""
    return {**there, "ws": said} if said else there
