"""What a job means: finds its kind, decodes its arguments, has it done, and turns what came of it into a settlement.

Owns nothing. Called by the workers, one task a job; waits for what the kind waits for. What a kind returns is held
against the types of a settlement before it goes to the store, where something else would end the writer: a kind that
returns nonsense has failed an attempt, as if it had raised.
"""

from __future__ import annotations

import msgspec
import trio
from msgspec.structs import replace

from actors.ports import Clock
from engine.computing.installed import InstalledAnewError
from engine.core.retry import after_failure
from engine.jobs.kinds import Again, Done, Hopeless, Kinds, NotNeeded, PutOff, Result, UnknownKind
from protocol.jobs import PRIO_MAX, Claimed, JobError, NewJob, Settlement, Verdict
from protocol.notify import Delivery
from protocol.times import SECOND_US

# A cause is shown in lists.
CAUSE_MAX_CHARS = 500
# Nothing is put off for longer, whatever a server far away said about when to come back.
PUT_OFF_MAX_US = 366 * 24 * 3_600 * SECOND_US
# An update of all nodes takes less than a day; meanwhile a job of a new kind passes by the old ones once a minute.
UNKNOWN_US = 24 * 3_600 * SECOND_US
UNKNOWN_AGAIN_US = 60 * SECOND_US
# Until somebody restarts the engine; then it is done soon, and has lost no attempt.
INSTALLED_ANEW_AGAIN_US = 600 * SECOND_US
# The end of the year 9999: past it nothing can be shown as a time.
TIME_END_US = 253_402_300_800 * SECOND_US
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_unpack_follow = msgspec.msgpack.Decoder(tuple[NewJob, ...]).decode
_unpack_deliveries = msgspec.msgpack.Decoder(tuple[Delivery, ...]).decode
# So many rows are held against their types in a fifth of a millisecond; then it is others' turn.
CHECKED_AT_ONCE = 100


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
        except UnknownKind as fault:
            return self._settled(claimed, self._unknown(claimed, f"{claimed.kind}: {fault}"))
        except msgspec.MsgspecError as fault:
            return self._settled(claimed, Hopeless(f"{claimed.kind}: {fault}"))
        try:
            result = await kind.run(claimed, args)
        except InstalledAnewError as fault:
            return self._settled(claimed, PutOff(self._clock() + INSTALLED_ANEW_AGAIN_US, str(fault)))
        if not isinstance(result, Result):
            raise TypeError(f"{claimed.kind} returned {type(result).__name__}: a kind returns one of {Result}")
        settlement = self._settled(claimed, result)
        await _check(settlement)
        return settlement

    def failed(self, claimed: Claimed, cause: str, traceback: str | None = None) -> Settlement:
        """Another attempt after a while, or none."""
        then = after_failure(claimed.lease.job, claimed.attempt, claimed.attempts_max, self._clock())
        error = self._error(claimed, cause, traceback)
        return Settlement(lease=claimed.lease, verdict=then.verdict, run_at=then.run_at, error=error)

    def _unknown(self, claimed: Claimed, cause: str) -> Result:
        """Of a newer version, while both run: a node of that version does it. What nobody has known for a day fails."""
        now = self._clock()
        if now - claimed.created_at > UNKNOWN_US:
            return Hopeless(cause)
        return PutOff(now + UNKNOWN_AGAIN_US, cause)

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
            return self.failed(claimed, result.cause, result.traceback)
        error = None if result.cause is None else self._error(claimed, result.cause)
        if isinstance(result, PutOff):
            run_at = min(result.run_at, self._clock() + PUT_OFF_MAX_US)
            return Settlement(
                lease=claimed.lease, verdict=Verdict.SNOOZED, run_at=run_at, behind=result.behind, error=error
            )
        return Settlement(lease=claimed.lease, verdict=Verdict.FAILED, error=error)

    def _error(self, claimed: Claimed, cause: str, traceback: str | None = None) -> JobError:
        # Bytes that are no text can be in the message of any exception, and NULs; a store takes none.
        said, trace = (text.encode(errors="replace").decode().replace("\0", "?") for text in (cause, traceback or ""))
        return JobError(
            at=self._clock(), attempt=claimed.attempt, cause=said[:CAUSE_MAX_CHARS], traceback=trace or None
        )


async def _check(settlement: Settlement) -> None:
    """Raises TypeError, ValueError (ours or msgspec's) if a store could not keep what a kind returned.

    Its texts are ours: what could not be written would have raised when they were made.
    """
    if not isinstance(settlement.run_at, int):
        raise TypeError(f"a job is put off until a whole number of microseconds, not {settlement.run_at!r}")
    if not isinstance(settlement.behind, str | int | None):
        raise TypeError(f"a job is put off behind another one's key or number, not {settlement.behind!r}")
    for rows, check in ((settlement.follow, _check_jobs), (settlement.deliveries, _check_lines)):
        for start in range(0, len(rows), CHECKED_AT_ONCE):
            check(rows[start : start + CHECKED_AT_ONCE])
            await trio.lowlevel.checkpoint()


def _check_lines(lines: object) -> None:
    _unpack_deliveries(_pack(lines))


def _check_jobs(jobs: object) -> None:
    for job in _unpack_follow(_pack(jobs)):
        if not (0 <= job.run_at < TIME_END_US and 0 <= job.prio <= PRIO_MAX):
            raise ValueError(f"the job {job.kind!r} that follows is due at {job.run_at} with priority {job.prio}")
