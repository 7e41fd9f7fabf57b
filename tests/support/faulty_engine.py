"""`python -m tests.support.faulty_engine serve …`: the real command with bugs in it, for tests of what a crash costs.

The title of a trigger says which bug it meets. They are put in below every public door, where a real one would be.
"""

from __future__ import annotations

from engine.core.channel import ChannelMachine
from engine.stores.sqlite import SqliteStore
from protocol.commands import Batch, Ring
from protocol.effects import Commit, CommitOutcome, Decision
from tocsin.cli import main

# The machine raises over this one, whoever asks and however often.
POISON = "poison"
# The channel's actor crashes after this one was stored, before anybody is told.
CRASH = "crash"

_decide, _commit = ChannelMachine.decide, SqliteStore.commit


def _titles(batch: Batch) -> set[str | None]:
    return {command.title for command in batch.commands if isinstance(command, Ring)}


def _decide_or_raise(self: ChannelMachine, batch: Batch) -> Decision:
    if POISON in _titles(batch):
        raise RuntimeError("injected: the machine has a bug")
    return _decide(self, batch)


async def _commit_and_crash(self: SqliteStore, commit: Commit) -> CommitOutcome:
    outcome = await _commit(self, commit)
    if CRASH in _titles(commit.batch):
        raise RuntimeError("injected: the actor has a bug")
    return outcome


ChannelMachine.decide = _decide_or_raise  # type: ignore[method-assign]
SqliteStore.commit = _commit_and_crash  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
