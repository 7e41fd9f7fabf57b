"""What somebody hands over to be done later (`?async=true`): ringing, and ringing for workflows' steps.

The door has asked who may and how much; here the request becomes a job of the queue `alert`, answered with its number.
It is done later with the rights of who asked, and its result is what he would have been answered. What was taken stays
taken when his token expires meanwhile; when it was revoked, nothing is done in his name any more. At most
`jobs.handed_over_max` of a workspace are to be done at a time: beyond that the answer is busy. A request that names a
key (`Idempotency-Key`) is handed over once as long as its job is kept; the same key with something else is a conflict.

A job may be done twice (a node was lost between doing and settling): what rang then is a duplicate to the suppression.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
import trio

from actors.ports import NewId
from actors.tracing import CURRENT
from engine.access.roles import check
from engine.input.severity import parse_severity
from engine.jobs.kinds import Again, Done, Hopeless, Kind, Result
from engine.stores.jobs import Enqueued, JobStore
from engine.stores.workflows import TrackerPage, TrackerQuery
from protocol.errors import BadRequest, Busy, Conflict, TooManyRequests
from protocol.fields import Id
from protocol.items import ItemResult, TriggerInput
from protocol.jobs import PRIO_OF, Claimed, Job, NewJob, Queue
from protocol.limits import Limit
from protocol.model import NEVER_EXPIRES, Principal, Reason
from protocol.times import SECOND_US
from protocol.workflows import PROJECTS_MAX, Refusal, StepResult, StepStatus

# 1,000 triggers with short messages fit; all that may wait of a workspace is a quarter of a gigabyte in the store.
ARGS_MAX_BYTES = 262_144
KEY_MAX_CHARS = 255
# A mailbox that is full is not for long: what did not fit is offered again after these, within the job's deadline.
PAUSES_S = (1.0, 2.0, 4.0)
# It goes through all trackers of a workspace, a thousand a transaction.
GENERATE_DEADLINE_S = 600
_AT_REST = frozenset({Refusal.FINISHED.value, Refusal.INACTIVE.value})


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who handed a job over, and as what; `token_id` and `key` say with which token, as in a `Principal`."""

    user: str
    role: str
    channels: tuple[str, ...] | None = None
    token_id: str = ""
    key: str = ""

    def principal(self, claimed: Claimed) -> Principal:
        """Who speaks when it is done. His token was good when the job was made: what was revoked since is meant."""
        return Principal(
            workspace=claimed.workspace,
            user=self.user,
            role=self.role,
            expires_at=NEVER_EXPIRES,
            channels=self.channels,
            token_id=self.token_id,
            issued_at=claimed.created_at // SECOND_US,
            key=self.key,
        )


class RingArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What is to ring, and for whom."""

    by: Asker
    triggers: list[TriggerInput]


class GenerateArgs(msgspec.Struct, frozen=True, kw_only=True):
    """The projects for whose steps it is to ring (null: all that follow a workflow). `by` null: a schedule has it
    done."""

    by: Asker | None = None
    project_ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=PROJECTS_MAX)] | None = None


class _Asked(msgspec.Struct, frozen=True):
    by: Asker | None = None


Ring = Callable[[Principal, Sequence[TriggerInput]], Awaitable[list[ItemResult]]]
Generate = Callable[[Principal, Sequence[str]], Awaitable[list[StepResult]]]
# Whether somebody would not be let in with the same token now, though it has not expired.
IsOver = Callable[[Principal], bool]
Trackers = Callable[[Principal, TrackerQuery], Awaitable[TrackerPage]]


def asker_of(job: Job) -> str | None:
    """Who handed a job over; None: nobody did."""
    try:
        by = msgspec.json.decode(job.args, type=_Asked).by
    except msgspec.MsgspecError:
        return None
    return None if by is None else by.user


def ring_kind(ring: Ring, is_over: IsOver) -> Kind[RingArgs]:
    """Ringing, as `POST /api/v1/triggers` does. What stays busy for all of its pauses is another attempt."""

    async def run(claimed: Claimed, args: RingArgs) -> Result:
        who = args.by.principal(claimed)
        if is_over(who):
            return _revoked(who)
        results = await ring(who, args.triggers)
        for pause_s in PAUSES_S:
            places = [place for place, result in enumerate(results) if result.reason is Reason.BUSY]
            if not places:
                break
            await trio.sleep(pause_s)
            again = await ring(who, [args.triggers[place] for place in places])
            for place, result in zip(places, again, strict=True):
                results[place] = result
        if busy := sum(result.reason is Reason.BUSY for result in results):
            # Those that rang are duplicates then.
            return Again(f"{busy} of {len(results)} triggers were not taken: busy; the others were")
        return Done(result={"results": results})

    return Kind(name="trigger", queue=Queue.ALERT, args=RingArgs, run=run)


def generate_kind(generate: Generate, trackers: Trackers, is_over: IsOver) -> Kind[GenerateArgs]:
    """Ringing for steps, as `POST /api/v1/workflows/generate` does; without projects for all of the workspace."""

    async def patient(who: Principal, projects: Sequence[str]) -> list[StepResult]:
        while True:
            try:
                return await generate(who, projects)
            except TooManyRequests as fault:
                # The workspace's rate; the job's deadline is the end of patience.
                await trio.sleep(fault.retry_after_s)

    async def run(claimed: Claimed, args: GenerateArgs) -> Result:
        by = args.by or Asker(user=f"schedule:{claimed.schedule or claimed.kind}"[-128:], role="editor")
        who = by.principal(claimed)
        if is_over(who):
            return _revoked(who)
        refused: Counter[str] = Counter()
        if args.project_ids is not None:
            results = await patient(who, args.project_ids)
            refused.update(_refusals(results))
            # To who has handed it over, all of them are told.
            is_vain = args.by is None and refused.total() == len(results)
            return _vain(refused) if is_vain else Done(result={"results": results})
        statuses: Counter[str] = Counter()
        query = TrackerQuery(workspace=claimed.workspace, limit=PROJECTS_MAX)
        while True:
            page = await trackers(who, query)
            if page.items:
                results = await patient(who, [tracker.project_id for tracker in page.items])
                statuses.update(result.status.value for result in results)
                refused.update(_refusals(results))
            if page.next_cursor is None:
                if refused and refused.total() == statuses.total():
                    return _vain(refused)
                return Done(result={"projects": statuses.total(), "statuses": dict(statuses)})
            query = msgspec.structs.replace(query, cursor=page.next_cursor)

    return Kind(
        name="workflow_generate",
        queue=Queue.ALERT,
        args=GenerateArgs,
        run=run,
        deadline_s=GENERATE_DEADLINE_S,
        is_schedulable=True,
    )


def _refusals(results: Sequence[StepResult]) -> Iterator[str]:
    """Why projects were refused; nothing is wrong with one of which nothing is to ring now."""
    return (each.reason for each in results if each.status is StepStatus.REJECTED and each.reason not in _AT_REST)


def _vain(refused: Counter[str]) -> Result:
    """A run of which nothing came: who looks at its schedule must not read that it was done."""
    reasons = ", ".join(f"{reason} {count}" for reason, count in refused.most_common())
    return Hopeless(f"{refused.total()} of {refused.total()} projects refused: {reasons}")


class HandOver:
    """The verbs. All raise PermissionDenied, BadRequest, Conflict, Busy, StoreUnavailable; the answer is the job's
    number."""

    def __init__(
        self,
        store: JobStore,
        ring: Kind[RingArgs],
        generate: Kind[GenerateArgs],
        new_id: NewId,
        most: int,
        count_refusal: Callable[[Limit], None],
    ) -> None:
        self._store = store
        self._ring = ring
        self._generate = generate
        self._new_id = new_id
        self._most = most
        self._count_refusal = count_refusal

    async def triggers(self, who: Principal, inputs: Sequence[TriggerInput], key: str | None = None) -> int:
        """Has these rung, those of high severity before others."""
        check(who, "trigger")
        args = RingArgs(by=_asker(who), triggers=list(inputs))
        places = {each.framework_id for each in inputs}
        framework = places.pop() if len(places) == 1 else None
        return await self._put(who, self._ring, args, key, prio=_prio(inputs), framework=framework)

    async def generate(self, who: Principal, project_ids: Sequence[str], key: str | None = None) -> int:
        """Has the current steps of these projects rung."""
        check(who, "trigger")
        return await self._put(who, self._generate, GenerateArgs(by=_asker(who), project_ids=list(project_ids)), key)

    async def _put(self, who: Principal, kind: Kind[Any], args: Any, key: str | None, **more: Any) -> int:
        prefix = f"handed:{who.workspace}:"
        named = f"{prefix}{who.user}:{kind.name}:{_checked(key) if key is not None else self._new_id()}"
        job = kind.job(args, workspace=who.workspace, key=named, target=f"{who.workspace}/handed", **more)
        job = msgspec.structs.replace(job, trace=CURRENT.get())
        if (size := len(job.args)) > ARGS_MAX_BYTES:
            raise BadRequest(f"{size} bytes are too many to be handed over, at most {ARGS_MAX_BYTES}: send it in parts")
        put = await self._store.hand_over(job, prefix, self._most)
        if put is None:
            self._count_refusal(Limit.HANDED_OVER)
            raise Busy(
                f"{self._most} jobs that this workspace handed over are still to be done, the limit "
                "(jobs.handed_over_max): nothing was taken, send it again later",
                Limit.HANDED_OVER,
            )
        if not put.is_new:
            await self._require_same(put, job)
        return put.id

    async def _require_same(self, put: Enqueued, job: NewJob) -> None:
        before = await self._store.job(job.workspace, put.id)
        if before is not None and _request(before.args) != _request(job.args):
            raise Conflict("this Idempotency-Key stands for another request already: use a new key for a new request")


def _asker(who: Principal) -> Asker:
    return Asker(user=who.user, role=who.role, channels=who.channels, token_id=who.token_id, key=who.key)


def _request(args: str) -> dict[str, Any]:
    """What is to be done; not with which token it was asked for, which a sender may have renewed."""
    known: dict[str, Any] = msgspec.json.decode(args)
    return {name: value for name, value in known.items() if name != "by"}


def _revoked(who: Principal) -> Result:
    return Hopeless(f"the token of {who.user} was revoked after this was handed over: nothing was done in his name")


def _checked(key: str) -> str:
    if not 1 <= len(key) <= KEY_MAX_CHARS or not key.isprintable():
        raise BadRequest(f"Idempotency-Key: use 1-{KEY_MAX_CHARS} printable characters, for example a UUID")
    return key


def _prio(inputs: Sequence[TriggerInput]) -> int:
    return min(PRIO_OF[parse_severity(each.severity or "warning")[0]] for each in inputs)
