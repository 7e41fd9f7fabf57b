"""How much of everything, and how long each fault lasts: the long form is as it was asked for, the short one a test."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tocsin.client import ClientLimits

NODES = ("a", "b", "c")
WORKSPACES = ("acme", "umbrella", "initech")
FRAMEWORKS = tuple(f"framework-{number}" for number in range(10))
# Of the triggers, those that repeat one of the last keys.
REPEATED = 0.3
# Of the triggers, those that come over HTTP.
OVER_HTTP = 0.05
# Who begins waits for as long as a machine needs on which all of this runs.
PATIENT = ClientLimits(request_s=170.0, connect_s=170.0)
# Every so many keys is an error, and somebody has to be told of it; the others are warnings.
PAGED_EACH = 10


@dataclass(frozen=True)
class Size:
    """One form of the run."""

    watchers: int
    # One in so many follows a whole workspace, the others a channel: one process has to hear it all.
    of_workspaces: int
    producers: int
    triggers_per_s: float
    # More than any outage here makes wait; beyond them triggers are left out, and that is counted.
    under_way_max: int
    # A connection is cut, to come back to any node.
    reconnect_each_s: float
    # How long a node that was killed or drained stays away; Redis is gone or frozen; a node is stopped.
    dead_s: float
    redis_s: float
    pause_s: float
    # Between the end of a fault and the next one.
    calm_s: float
    # Nobody may wait longer once a fault is over (or, where a node is gone, from its beginning).
    wait_max_s: float


LONG = Size(
    watchers=300,
    of_workspaces=10,
    producers=30,
    triggers_per_s=200.0,
    under_way_max=10_000,
    reconnect_each_s=0.2,
    dead_s=8.0,
    redis_s=10.0,
    pause_s=60.0,
    calm_s=7.0,
    wait_max_s=5.0,
)
# Without faults it is asked how fast each probe of an hour was: at what two cores carry at ease, with nodes, servers,
# and all clients on them.
CALM = replace(LONG, triggers_per_s=30.0)
# What is asked of it is that nothing is lost or doubled: a machine that is slow may be so.
SHORT = Size(
    watchers=12,
    of_workspaces=2,
    producers=6,
    triggers_per_s=30.0,
    # Ten seconds of it: who cannot carry that is not buried under what comes all the same.
    under_way_max=300,
    reconnect_each_s=0.5,
    dead_s=0.5,
    redis_s=2.0,
    pause_s=4.5,
    calm_s=0.5,
    wait_max_s=120.0,
)


@dataclass(frozen=True)
class Key:
    """The key of an alert: everything follows from its number, so that an hour's keys need no room."""

    number: int

    @property
    def framework(self) -> str:
        return FRAMEWORKS[self.number % 10]

    @property
    def workspace(self) -> str:
        return WORKSPACES[self.number // 10 % 3]

    @property
    def severity(self) -> str:
        return "error" if self.is_paged else "warning"

    @property
    def is_paged(self) -> bool:
        # Behind frameworks and workspaces, so that each of them has some.
        return self.number // 30 % PAGED_EACH == 0

    @property
    def title(self) -> str:
        return f"key-{self.number}"
