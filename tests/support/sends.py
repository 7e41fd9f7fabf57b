"""Of tests of what is sent: jobs that are due, put aside, redriven."""

from __future__ import annotations

from engine.notify.ports import TryLater
from protocol.jobs import JobState
from protocol.model import EventKind
from tests.support.dispatch import Dispatch

FIRED, RESOLVED = EventKind.FIRED, EventKind.RESOLVED
LATER = TryLater(60.0, "429: too many")


async def redrive(dispatch: Dispatch, number: int) -> None:
    job = await dispatch.store.redrive("acme", number)
    assert job is not None and job.state is JobState.WAITING
