"""What a job means: finds its kind, decodes its arguments, has it done, and turns what came of it into a settlement.

Owns nothing. Called by the workers, one task a job; waits for what the kind waits for.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from actors.ports import Clock
from engine.core.retry import after_failure
from engine.jobs.kinds import Again, Done, Hopeless, Kinds, NotNeeded, PutOff, Result, UnknownKind
from protocol.jobs import Claimed, JobError, Settlement, Verdict

# A cause is shown in lists.
CAUSE_MAX_CHARS = 500
_encode = msgspec.json.Encoder().encode


class Desk:
    """The workers' `JobDesk`."""

    def __init__(self, kinds: Kinds, clock: Clock) -> None:
        self._kinds = kinds
        self._clock = clock

    async def do(self, claimed: Claimed) -> Settlement:
        """Does a job. What it raises is a failed attempt."""
        try:
            kind = self._kinds.of(claimed.kind)
            args = msgspec.json.decode(claimed.args, type=kind.args)
        except (UnknownKind, msgspec.MsgspecError) as fault:
            return self._settled(claimed, Hopeless(f"{claimed.kind}: {fault}"))
        return self._settled(claimed, await kind.run(claimed, args))

    def failed(self, claimed: Claimed, cause: str, traceback: str | None = None) -> Settlement:
        """Another attempt after a while, or none."""
        then = after_failure(claimed.lease.job, claimed.attempt, claimed.attempts_max, self._clock())
        error = self._error(claimed, cause, traceback)
        return Settlement(lease=claimed.lease, verdict=then.verdict, run_at=then.run_at, error=error)

    def _settled(self, claimed: Claimed, result: Result) -> Settlement:
        return replace(self._verdict(claimed, result), deliveries=result.deliveries)

    def _verdict(self, claimed: Claimed, result: Result) -> Settlement:
        if isinstance(result, Done):
            text = None if result.result is None else _encode(result.result).decode()
            return Settlement(lease=claimed.lease, verdict=Verdict.COMPLETED, result=text, follow=result.follow)
        if isinstance(result, NotNeeded):
            text = _encode({"reason": result.reason}).decode()
            return Settlement(lease=claimed.lease, verdict=Verdict.DISCARDED, result=text)
        if isinstance(result, Again):
            return self.failed(claimed, result.cause)
        error = None if result.cause is None else self._error(claimed, result.cause)
        if isinstance(result, PutOff):
            return Settlement(lease=claimed.lease, verdict=Verdict.SNOOZED, run_at=result.run_at, error=error)
        return Settlement(lease=claimed.lease, verdict=Verdict.FAILED, error=error)

    def _error(self, claimed: Claimed, cause: str, traceback: str | None = None) -> JobError:
        # Bytes that are no text can be in the message of any exception; a store takes none.
        said, trace = (text.encode(errors="replace").decode() for text in (cause, traceback or ""))
        return JobError(
            at=self._clock(), attempt=claimed.attempt, cause=said[:CAUSE_MAX_CHARS], traceback=trace or None
        )
