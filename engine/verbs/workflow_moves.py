"""What becomes of each project of a batch, decided inside the store's transaction from what it sees there.

Waits for nothing, and lets nothing out: a project over which our code fails is a refusal among the others' results.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from actors.ports import MachineFactory
from engine.core.progress import Task, move, refused
from engine.core.workflow import Refused
from engine.stores.workflows import Ground
from protocol.workflows import Move, Refusal

log = structlog.get_logger()


def decide_all(
    tasks: Sequence[Task], machine: MachineFactory, ground: Ground, *, trace: str | None = None
) -> list[Move]:
    """Decides each project by itself; called inside the store's transaction. `trace`: where its jobs come from."""
    moves = []
    for task in tasks:
        try:
            moves.append(_traced(move(task, ground.places.get(task.project), ground.workflows, machine), trace))
        except Exception:
            # Boundary: one project that our code fails over must not keep the others from going on.
            log.error("workflow_move_failed", channel=task.key.name, exc_info=True)
            refusal = Refused(Refusal.FAILED, "the engine failed over this project; nothing was done with it")
            moves.append(Move(result=refused(task.project, refusal)))
    return moves


def _traced(done: Move, trace: str | None) -> Move:
    """The same, with jobs that know what they come from."""
    if trace is None or done.commit is None or not done.commit.decision.jobs:
        return done
    decision = done.commit.decision
    jobs = tuple([msgspec.structs.replace(job, trace=trace) for job in decision.jobs])
    commit = msgspec.structs.replace(done.commit, decision=msgspec.structs.replace(decision, jobs=jobs))
    return msgspec.structs.replace(done, commit=commit)
