"""What operators and their machines ask: alive, ready, metrics, and who we are.

`/healthz` says that the loop turns; restart the process when it does not answer. `/readyz` says that a trigger sent now
would be acknowledged and a new connection let in; send traffic elsewhere while it is 503. Above the soft memory limit
it is 503 too: who is connected stays and is served, but whoever a balancer sends is refused at the door. Both need no
token: a load balancer has none. They and `/metrics` take no parameters and heed none: a probe that adds one against
caches must not have a healthy process restarted.
"""

from __future__ import annotations

from collections.abc import Callable

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from engine.http.guards import refuse_unknown_parameters, require_operator
from engine.http.ports import About, MetricsRender, Service
from engine.telemetry.metrics import CONTENT_TYPE
from protocol.errors import Busy, StoreUnavailable


def operation_routes(
    service: Service, metrics_render: MetricsRender, about: Callable[[], About], overload: Callable[[], str]
) -> list[HTTPRouteHandler]:
    """`/healthz`, `/readyz`, `/metrics` and `/api/v1/about`. `overload`: why nobody may connect (empty: they may)."""

    @get("/healthz", sync_to_thread=False)
    def alive() -> dict[str, str]:
        """Whether the process is alive."""
        return {"status": "alive"}

    @get("/readyz", sync_to_thread=False)
    def ready() -> dict[str, str]:
        """Whether a trigger would be acknowledged and a connection let in now; 503 if not."""
        if why := service.why_unready:
            raise StoreUnavailable(f"not able to acknowledge now: the store is away ({why}); try again")
        if why := overload():
            # Not counted: nobody was refused, a probe was answered.
            raise Busy(f"no new connections: {why} (gateway.memory_soft_bytes)")
        return {"status": "ready"}

    @get("/metrics", sync_to_thread=False, media_type=MediaType.TEXT, guards=[require_operator(service)])
    def metrics() -> Response[bytes]:
        """Metrics in Prometheus' text format."""
        return Response(metrics_render(), headers={"Content-Type": CONTENT_TYPE})

    @get("/api/v1/about", sync_to_thread=False, guards=[refuse_unknown_parameters])
    def tell_about() -> About:
        """Which program this is and where its WebSocket listens."""
        return about()

    return [alive, ready, metrics, tell_about]
