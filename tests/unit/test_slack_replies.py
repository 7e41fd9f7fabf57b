"""What becomes of a reply to Slack whose way out has a bug."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.jobs.desk import Desk
from engine.jobs.kinds import Kinds
from engine.notify.connector import Connector
from engine.notify.sealing import Sealer
from engine.notify.slack_replies import SlackReplies
from engine.sections.notify import Notify
from protocol.jobs import Queue, Verdict
from tests.support.dispatch import Plain
from tests.support.jobs import clock, job_store

SECRET = "https://hooks.example.com/actions/T0/xyzzy"


async def broken(workspace: str, host: str) -> Sequence[str]:
    raise ValueError(f"no way to {SECRET}")


async def test_the_sealed_address_of_a_reply_is_not_in_what_is_kept_of_a_failed_attempt(
    tmp_path: Path, autojump_clock: None
) -> None:
    async with job_store() as store:
        sealer = Sealer(b"", tmp_path)
        replies = SlackReplies(store, sealer, Connector(Notify(), broken), Plain(), clock)
        await replies.put("acme", SECRET, "a", "You may not.")
        (claimed,) = await store.claim("n", {Queue.NOTIFICATION: 1}, 30.0)
        settlement = await Desk(Kinds([replies.kind]), clock).do(claimed)
        assert settlement.verdict is Verdict.RETRY and settlement.error is not None
        assert settlement.error.cause == "the sender failed: ValueError"
        assert "in broken" in str(settlement.error.traceback) and SECRET not in str(settlement.error)
