"""What the kernel says to processes that run, instead of doing what they ask: a disk that is full, or broken."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio


@asynccontextmanager
async def injected(
    fault: str,
    pids: Sequence[int],
    *,
    files: Iterable[Path] = (),
    with_children: bool = True,
    then: Callable[[], None] = lambda: None,
) -> AsyncIterator[trio.Process]:
    """Every thread of the processes gets this from the kernel: `fdatasync:error=EIO`. Yields strace, which ends when
    they have all ended.

    `files`: only for these. `with_children`: also those that they start meanwhile. `then`: called when it holds.
    """
    command = ["strace", "-e", f"trace={fault.partition(':')[0]}", "-e", f"inject={fault}"]
    command += ["-f"] if with_children else []
    command += [word for file in files for word in ("-P", str(file))]
    command += [word for pid in pids for word in ("-p", str(pid))]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stderr is not None
    try:
        said = b""
        while said.count(b" attached") < len(pids):
            more = await process.stderr.receive_some()
            assert more, f"strace ended: {said.decode()}"
            said += more
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_swallow, process.stderr)
            then()
            yield process
            process.terminate()
            await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _swallow(stream: trio.abc.ReceiveStream) -> None:
    # A pipe that nobody reads would stop strace, and with it whom it traces.
    async for _ in stream:
        pass
