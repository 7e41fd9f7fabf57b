"""All that follows requests, for whoever puts an engine together: what each part is to be wrapped in.

Loaded only where traces go somewhere; elsewhere those parts are as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from litestar.types import ASGIApp

from actors.ports import Desk, JobDesk
from actors.supervisor import Started
from engine.notify.connector import Connector
from engine.sections.notify import Notify
from engine.tracing.batches import ChannelTracer
from engine.tracing.doors import FollowedApp, FollowedDesk
from engine.tracing.outgoing import FollowedConnector
from engine.tracing.spans import Tracing
from engine.tracing.work import FollowedJobs


class Following:
    """The wrappers, and what sends their spans."""

    def __init__(self, tracing: Tracing, store_url: str) -> None:
        self._tracing = tracing
        self.tracer = ChannelTracer(tracing, "postgresql" if store_url.startswith("postgres") else "sqlite")

    async def run(self, status: Started) -> None:
        """Sends spans until cancelled."""
        await self._tracing.run(status)

    def statistics(self) -> Mapping[str, int]:
        """What became of spans."""
        return self._tracing.statistics()

    def app(self, app: ASGIApp) -> ASGIApp:
        """The HTTP application."""
        return FollowedApp(app, self._tracing)

    def desk(self, desk: Desk) -> Desk:
        """Where sessions take requests."""
        return FollowedDesk(desk, self._tracing)

    def jobs(self, desk: JobDesk) -> JobDesk:
        """Where workers have jobs done."""
        return FollowedJobs(desk, self._tracing)

    def connector(self, config: Notify) -> Connector:
        """The way out."""
        return FollowedConnector(config, self._tracing)
