"""`GET /api/v1/system`: how this process stands. Like `/metrics`, for this machine itself and the engine's operator."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Router, get

from engine.http.guards import refuse_unknown_parameters, require_operator
from engine.http.ports import Service
from engine.verbs.system import SystemShown


def system_router(system: Callable[[], SystemShown], service: Service) -> Router:
    """`GET /api/v1/system`."""

    @get("/api/v1/system", sync_to_thread=False, operation_id="get_system", tags=["system"])
    def tell_system() -> SystemShown:
        """Whether this process serves, what is wrong by its own figures and what to do, and which of its parts were
        restarted. For this machine itself, and for who sees `/metrics`."""
        return system()

    return Router("/", guards=[require_operator(service), refuse_unknown_parameters], route_handlers=[tell_system])
