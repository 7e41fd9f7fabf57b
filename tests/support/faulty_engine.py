"""`python -m tests.support.faulty_engine serve …`: the real command with bugs in it, for tests of what a crash costs.

The title of a trigger says which bug it meets. They are put in below every public door, where a real one would be.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import trio

from actors.audience import Audience
from engine.core.channel import ChannelMachine
from engine.stores.tables.store import TableStore
from protocol.commands import Batch, Ring
from protocol.effects import Commit, CommitOutcome, Decision
from protocol.model import Event
from tocsin.cli import main

# The machine raises over this one, whoever asks and however often.
POISON = "poison"
# The channel's actor crashes after this one was stored, before anybody is told.
CRASH = "crash"
# What the checker of isolation must find: each breaks one of its rules, every time that it is asked for.
LEAKS = ("descriptor", "task", "memory", "stall", "log", "silence")

_decide, _commit, _tell = ChannelMachine.decide, TableStore.commit, Audience.tell


def _titles(batch: Batch) -> set[str | None]:
    return {command.title for command in batch.commands if isinstance(command, Ring)}


_kept: list[Any] = []
_silenced = [0]


def _leak(kind: str) -> None:
    match kind:
        case "descriptor":
            _kept.append(os.open("/dev/null", os.O_RDONLY))
        case "task":
            trio.lowlevel.spawn_system_task(trio.sleep_forever)
        case "memory":
            _kept.append(bytearray(os.urandom(10_000_000)))
        case "stall":
            # More than any wait that a slow machine is forgiven.
            time.sleep(2.0)
        case "log":
            sys.stderr.write('{"event": "flooded"}\n' * 50)  # past the log's own limiter
        case "silence":
            _silenced[0] += 1


def _tell_or_be_silent(self: Audience, events: Sequence[Event]) -> int:
    """Forgets to tell the canary one message for each time that silence was asked for."""
    if "canary" in self.name and _silenced[0] and len(events) == 1:
        _silenced[0] -= 1
        self.told = self.offset_of(events[0])
        return 0
    return _tell(self, events)


def _decide_or_raise(self: ChannelMachine, batch: Batch) -> Decision:
    for kind in _titles(batch) & set(LEAKS):
        _leak(str(kind))
    if POISON in _titles(batch):
        raise RuntimeError("injected: the machine has a bug")
    return _decide(self, batch)


async def _commit_and_crash(self: TableStore, commit: Commit) -> CommitOutcome:
    outcome = await _commit(self, commit)
    if CRASH in _titles(commit.batch):
        raise RuntimeError("injected: the actor has a bug")
    return outcome


ChannelMachine.decide = _decide_or_raise  # type: ignore[method-assign]
Audience.tell = _tell_or_be_silent  # type: ignore[method-assign]
TableStore.commit = _commit_and_crash  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
