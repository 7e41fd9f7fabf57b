"""Follows jobs: what was enqueued in a traced commit is done in the same trace, and so is what follows from it.

A job without a trace is done as it is: nothing begins here. While one is done `CURRENT` says where it stands, so that
what it sends, and what it asks of channels, belongs to it.
"""

from __future__ import annotations

from msgspec.structs import replace
from opentelemetry.trace import SpanKind

from actors.ports import JobDesk
from actors.tracing import CURRENT
from engine.tracing.spans import SYSTEM, Tracing, fail, place
from protocol.jobs import Claimed, Settlement, Verdict

_FAILURES = frozenset({Verdict.RETRY, Verdict.FAILED})


class FollowedJobs:
    """The workers' `JobDesk` around another one."""

    def __init__(self, desk: JobDesk, tracing: Tracing) -> None:
        self._desk = desk
        self._tracing = tracing

    async def do(self, claimed: Claimed) -> Settlement:
        """Does a job."""
        if claimed.trace is None:
            return await self._desk.do(claimed)
        about = {
            "messaging.system": SYSTEM,
            "messaging.operation.type": "process",
            "messaging.destination.name": claimed.queue.value,
            "messaging.message.id": str(claimed.lease.job),
            "tocsin.workspace": claimed.workspace,
            "tocsin.job.kind": claimed.kind,
            "tocsin.job.attempt": claimed.attempt,
        }
        span = self._tracing.begin(f"job {claimed.kind}", SpanKind.CONSUMER, claimed.trace, about)
        here = place(span)
        token = CURRENT.set(here)
        try:
            settlement = await self._desk.do(claimed)
            span.set_attribute("tocsin.job.verdict", settlement.verdict.value)
            if settlement.verdict in _FAILURES and settlement.error is not None:
                fail(span, settlement.error.cause)
        except BaseException as fault:
            fail(span, repr(fault))
            raise
        finally:
            CURRENT.reset(token)
            span.end()
        follow = tuple([job if job.trace is not None else replace(job, trace=here) for job in settlement.follow])
        return replace(settlement, follow=follow) if follow else settlement

    def failed(self, claimed: Claimed, cause: str, traceback: str | None = None) -> Settlement:
        """What becomes of a job whose attempt failed."""
        return self._desk.failed(claimed, cause, traceback)
