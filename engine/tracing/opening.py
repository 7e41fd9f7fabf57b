"""Whether the engine traces: reads `[tracing]`, and loads what that needs only if it is to be done.

OpenTelemetry is an extra of ours: it is imported here and in the files beside this one, and by none of them before
somebody says where traces are to go.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from litestar.types import ASGIApp

from actors.ports import Desk, JobDesk
from engine.configuration.fields import ConfigError
from engine.extras import how_to_get
from engine.notify.connector import Connector
from engine.sections.notify import Notify
from engine.sections.tracing import TracingSection

if TYPE_CHECKING:
    from engine.tracing.following import Following

NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class NotFollowing:
    """What parts are wrapped in where nobody traces: in nothing."""

    tracer = None

    def app(self, app: ASGIApp) -> ASGIApp:
        """The HTTP application."""
        return app

    def desk(self, desk: Desk) -> Desk:
        """Where sessions take requests."""
        return desk

    def jobs(self, desk: JobDesk) -> JobDesk:
        """Where workers have jobs done."""
        return desk

    def connector(self, config: Notify) -> Connector:
        """The way out."""
        return Connector(config)


def open_tracing(section: TracingSection, node: str, store: str, exporter: Any = None) -> Following | NotFollowing:
    """What follows requests, if anything does. `store`: its URL. `exporter`: where spans go instead (tests).

    Raises ConfigError if it cannot be done.
    """
    if not section.to and exporter is None:
        return NotFollowing()
    if not _is_installed():
        raise ConfigError("tracing.to", f"leave this empty, or get OpenTelemetry: {how_to_get('otel')}")
    from engine.tracing.exporting import Export, exporter_to
    from engine.tracing.following import Following
    from engine.tracing.spans import Tracing

    try:
        export = Export(exporter or exporter_to(section.to), section.spans_max)
    except OSError as fault:
        raise ConfigError("tracing.to", f"{section.to!r:.80} cannot be written: {fault.strerror}") from fault
    return Following(Tracing(section, export, node), store)


def _is_installed() -> bool:
    try:
        return all(importlib.util.find_spec(name) is not None for name in NEEDED)
    except ModuleNotFoundError:
        # Nothing of it: not even the package that the others are in.
        return False
