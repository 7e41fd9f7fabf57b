"""The checker of isolation against an engine that breaks its rules one by one: it must say which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_crashing_channels import PROGRAM
from tests.support.engines import ROOT
from tests.support.faulty_engine import LEAKS
from tests.support.iso import an_isolation, authenticated

pytestmark = pytest.mark.alone

SAYS = {
    "descriptor": "descriptors, tasks",
    "task": "descriptors, tasks",
    "memory": "memory has grown",
    "stall": "the canary waited",
    "log": "the log is flooded",
    "silence": "the canary missed something",
}
# What never comes back needs no long wait to be found; the others come back, however slow the machine is.
NEVER_BACK = ("descriptor", "task")
NEVER_BACK_S = 5.0
# Nor has what costs the same each time to be seen often.
ROUNDS = 2


def first_words(fault: BaseException) -> str:
    """What an assertion said, out of the groups that nurseries wrap it in."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return str(fault)


@pytest.mark.parametrize("leak", LEAKS)
async def test_what_breaks_a_rule_is_found(tmp_path: Path, leak: str) -> None:
    with pytest.raises((AssertionError, BaseExceptionGroup)) as caught:
        async with an_isolation(tmp_path, program=PROGRAM, PYTHONPATH=str(ROOT)) as isolation:
            isolation.rounds_max = ROUNDS
            if leak in NEVER_BACK:
                isolation.back_within_s = NEVER_BACK_S

            async def fault() -> None:
                peer = await authenticated(isolation.engine, "leaky")
                # A few at once: one wait more is not yet a p99.
                for number in range(5):
                    alert = {"framework_id": "leaky", "dedup_key": f"{peer.sock.getsockname()}{number}", "title": leak}
                    await peer.say({"type": "trigger", "alert": alert})
                    await peer.hear()
                    await isolation.some_messages(1)
                peer.close()

            await isolation.check(fault)
    assert SAYS[leak] in first_words(caught.value), first_words(caught.value)
