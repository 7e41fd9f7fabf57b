"""The command line within this process, and an engine beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from engine.app import Engine
from tests.support.engines import an_engine
from tocsin.cli import cli

PATIENCE_S = 600.0
# What a command prints, standard error included; `code`: how it must end.
Said = Callable[..., Awaitable[str]]


def run(*arguments: str, **variables: str) -> Result:
    """A command, with nothing of the caller's settings."""
    cleared = dict.fromkeys(
        ("TOCSIN_API", "TOCSIN_TOKEN", "TOCSIN_URL", "TOCSIN_SECRET", "TOCSIN_DATA", "TOCSIN_TEST_REDIS")
    )
    return CliRunner().invoke(cli, list(arguments), prog_name="tocsin", env=cleared | variables)


async def in_thread(*arguments: str) -> Result:
    """The same beside an engine in this process."""
    return await trio.to_thread.run_sync(lambda: run(*arguments))


@asynccontextmanager
async def a_shell(folder: Path, **settings: Any) -> AsyncIterator[tuple[Engine, Said]]:
    """An engine, and commands that find it."""
    # The engine shares this process, and its log must not be in what a command prints.
    with capture_logs(), trio.fail_after(PATIENCE_S):
        async with an_engine(folder, **settings) as engine:

            async def said(*arguments: str, code: int = 0) -> str:
                done = await in_thread(*arguments, "--api", engine.http_url, "--data", str(folder))
                assert done.exit_code == code, (done.output, done.exception)
                return done.output

            yield engine, said
