"""What a run is asked to do: the command line's words, as one frozen record that all scenarios read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

# What the targets of a fan-out are meant for.
CLIENTS = 1_000
# What those of `connections` are meant for.
CROWD = 10_000
# Bounds of the command line: a benchmark is bounded in count and time, whatever it is asked for.
CLIENTS_MAX = 10_000
MESSAGES_MAX = 5_000
RUNS_MAX = 20
# A soak that tests run, with its first act and both counts under a minute.
SHORT_SOAK_MIN = 0.25
OPEN_MAX = 500_000
# Some 10 GB on disk, in each store.
ALERTS_MAX = 20_000_000


@dataclass(frozen=True)
class Options:
    """Counts and rates of one run. `rate`: messages a second (open loop). `folder`: where the data lies meanwhile."""

    clients: int = CLIENTS
    messages: int = 200
    rate: float = 20.0
    runs: int = 5
    bare: bool = False
    busy: bool = False
    analytics: bool = False
    nodes: bool = False
    # Besides the measured clients: connections that are subscribed elsewhere and hear nothing.
    idle: int = 0
    # Alerts that are open before the measurement begins, over 10 channels.
    open_alerts: int = 0
    # Of `connections`: how many, and how long they are watched doing nothing. One heartbeat and six proofs of silence.
    crowd: int = CROWD
    idle_s: float = 30.0
    # Of `storm`: history comes from the store, not from memory.
    from_store: bool = False
    # Of `soak`: the length of its long act.
    minutes: float = 15.0
    # Of `burst`: messages back to back.
    burst: int = 300
    # Of `ingest`: triggers in batches of 100, and one at a time.
    triggers: int = 40_000
    singles: int = 6_400
    # Of `readings`: in batches of 100.
    readings: int = 160_000
    # Of `suppress`: duplicates.
    duplicates: int = 200_000
    # Of `counts` and `month`; None: a million, and ten.
    alerts: int | None = None
    # Of `nab`: the benchmark's folder; None: our own series.
    data: Path | None = None
    # Of `ingest`, `jobs`, `counts` and `month`: a Postgres that was brought; None: one of the benchmark's own.
    store_url: str | None = None
    verify: bool = False
    short: bool = False
    folder: Path | None = None


def shortened(options: Options) -> Options:
    """The short form of everything: fewer runs of fewer messages; `all` then takes a few minutes."""
    return replace(
        options,
        messages=min(options.messages, 40),
        runs=min(options.runs, 2),
        triggers=min(options.triggers, 16_000),
        singles=min(options.singles, 3_200),
        readings=min(options.readings, 40_000),
        duplicates=min(options.duplicates, 80_000),
        minutes=min(options.minutes, SHORT_SOAK_MIN),
        short=True,
    )
