"""`tocsin serve`: runs an engine until a signal ends it.

Owns what is the process's and not the engine's: logging, signals, the watchdog, the garbage collector's policy, the
interpreter's switch interval, the ready line and the exit code. The first SIGTERM or SIGINT drains (clients are told to
come back, what was acked is stored anyway) within DRAIN_MAX_S; a second one ends the process at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from tocsin.commands import options
from tocsin.waiting import WAIT_MAX_S

if TYPE_CHECKING:
    import trio

    from engine.app import Engine
    from engine.configuration.config import Config
    from engine.telemetry.watchdog import Watchdog

# The promise to operators and their process managers.
DRAIN_MAX_S = 10.0
STILL_RUNNING = 70
# Measured: a thread that waits for the interpreter (the store's writer after each fsync) waits this long, by default
# 5 ms; shorter than 1 ms costs more in switches than it gives.
SWITCH_INTERVAL_S = 0.001


@click.command(short_help="Starts the engine.")
@click.option("--ws", metavar="HOST:PORT", help="Where WebSocket clients connect; port 0: any. [127.0.0.1:3008]")
@click.option("--http", metavar="HOST:PORT", help="Where API and metrics are; port 0: any. [127.0.0.1:8080]")
@click.option("--tls-cert", metavar="FILE", help="Encrypts both ports: the certificate (PEM); with --tls-key.")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM). Both are read again at SIGHUP.")
@click.option("--store", metavar="URL", help="The store. [the SQLite file tocsin.db in the data folder]")
@click.option("--redis", metavar="URL", help="A Redis that several nodes share (redis://host:6379). [none]")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, WAIT_MAX_S),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for a database, or a Redis, that does not answer yet, or for room on a full disk. [0]",
)
@click.option("--welcome", is_flag=True, help="Also tells a person, on standard error, what to do next.")
@options.configuration
def serve(
    welcome: bool,
    wait_s: float,
    data: str | None,
    config_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    redis: str | None,
    **settings: str | None,
) -> None:
    """Starts the engine and runs it until SIGTERM or Ctrl-C.

    When it can acknowledge triggers it prints one line of JSON on standard output:
    {"ready": true, "ws": "ws://…", "http": "http://…", "pid": …}. Logs go to standard error.
    """
    import trio

    from engine.app import Engine
    from engine.telemetry.logs import logging_to_stderr
    from engine.telemetry.watchdog import Watchdog

    config = options.load(
        data, config_file, **{"tls.cert": tls_cert, "tls.key": tls_key, "redis.url": redis}, **settings
    )
    _wait_for_others(config, wait_s)
    # Made first: what is wrong with the configuration is said in one line, before anything else is set up.
    engine = Engine(config)
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    def announce() -> None:
        ready = {"ready": True, "ws": engine.ws_url, "http": engine.http_url, "pid": os.getpid()}
        options.write(json.dumps(ready))
        if welcome:
            from tocsin.commands.welcome import welcome_text

            click.echo(welcome_text(engine), err=True)

    watchdog = Watchdog(config.watchdog.stall_s, config.watchdog.exit_s)
    engine.metrics.watch("watchdog", lambda: {"stalls": watchdog.stalls})
    with logging_to_stderr(config.log_level) as writer, watchdog:
        engine.metrics.watch("log_lines_dropped", lambda: writer.dropped)
        trio.run(run, engine, watchdog, announce)


def _wait_for_others(config: Config, wait_s: float) -> None:
    """For what an engine needs and does not own. Raises ConfigError, StoreRefused; NotYet when the time is over."""
    from engine.doctor import redis_server
    from engine.stores.postgres import looking
    from engine.stores.postgres.connect import is_postgres
    from engine.stores.sqlite import room
    from tocsin.waiting import wait_for

    store = looking if is_postgres(config.store_url) else room
    looks = [lambda: store.be_ready(config.store_url), lambda: redis_server.be_ready(config)]

    def tell(line: str) -> None:
        click.echo(f"tocsin: {line}", err=True)

    wait_for(looks, wait_s, tell, clock=time.monotonic, sleep=time.sleep)


async def run(engine: Engine, watchdog: Watchdog, announce: Callable[[], None]) -> None:
    """Runs an engine until a signal; `announce` is called when it can ack. Raises what ends the engine."""
    import trio

    from engine.telemetry.collector import collect_when_idle

    async with trio.open_nursery() as nursery:
        # Outside what is drained: a drain that hangs is a stall too.
        nursery.start_soon(watchdog.keep_beating)
        running = trio.CancelScope()
        await nursery.start(_end_on_signal, running)
        await nursery.start(_reload_on_hangup, engine)
        with running:
            async with engine, trio.open_nursery() as beside:
                await beside.start(collect_when_idle, engine)
                announce()
                await trio.sleep_forever()
        nursery.cancel_scope.cancel()


async def _reload_on_hangup(engine: Engine, task_status: trio.TaskStatus[None]) -> None:
    import trio

    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            await engine.reload()


async def _end_on_signal(running: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    import trio

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        await anext(signals)
        running.cancel()
        with trio.move_on_after(DRAIN_MAX_S):
            number = await anext(signals)
            os._exit(128 + number)
        # Something holds up the end. What was acked is on stable storage; waiting longer saves nothing.
        os.write(2, f"tocsin: still running {DRAIN_MAX_S:g} s after the signal, ending at once\n".encode())
        os._exit(STILL_RUNNING)
