"""The short form of `make fuzz`, and mutated frames on a real engine."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys

import pytest
import trio

from tests.fuzz import corpus
from tests.support.engines import ROOT, environment
from tests.support.iso import Isolation, dial, token_for
from tests.support.sockets import client_frame

# Four times this long: three waves to warm up (caches of names fill slowly), one measured.
MUTATED_S = 5.0
WARM_UPS = 3
# However slow the machine is.
FRAMES_MIN = 260
SEED = 20_261_122
# For each target.
RUNS = 5_000


# Half a minute of a core, and what the machine has for others besides.
@pytest.mark.timeout(1_500)
def test_the_fuzzer_finds_no_escape_in_some_thousand_inputs() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--runs", str(RUNS)]
    # What sets and dictionaries are in order of is the same each time, too.
    same = environment(PYTHONHASHSEED="1")
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=same)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert done.stdout.count(" 0 escaped") == 8


def mutated(luck: random.Random, frame: bytes) -> bytes:
    """A frame with a few of its bytes changed, taken out, put in, or repeated."""
    data = bytearray(frame)
    for _ in range(luck.randint(1, 4)):
        at = luck.randrange(len(data) + 1)
        match luck.randrange(5):
            case 0:
                data[at : at + 1] = bytes((luck.randrange(256),))
            case 1:
                del data[at : at + luck.randint(1, 8)]
            case 2:
                data[at:at] = luck.randbytes(luck.randint(1, 8))
            case 3:
                data[at:at] = data[: luck.randint(1, 64)]
            case 4 if at < len(data):
                data[at] ^= 1 << luck.randrange(8)
    return bytes(data)


@pytest.mark.alone
async def test_twenty_seconds_of_mutated_frames_hurt_nobody(isolation: Isolation) -> None:
    luck = random.Random(SEED)
    auth = client_frame(1, json.dumps({"type": "auth", "token": token_for("mutant", workspace="mutants")}).encode())
    frames = [client_frame(1, data) for data in corpus.load("client-json") if len(data) < 2_000]

    async def mutate() -> None:
        until = trio.current_time() + MUTATED_S
        sent = 0
        while trio.current_time() < until or sent < FRAMES_MIN:
            peer = await dial(isolation.engine)
            await peer.upgrade()
            with contextlib.suppress(OSError):  # cut, as it deserves
                await peer.send(auth + b"".join(mutated(luck, luck.choice(frames)) for _ in range(20)))
                sent += 20
                await peer.sock.send(client_frame(8, b"\x03\xe8"))
                await peer.rest()
            peer.close()

    await isolation.check(mutate, counted="tocsin_session_errors", warm_ups=WARM_UPS)
