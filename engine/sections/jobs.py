"""What is done later: how many jobs at once (`[jobs]`), and when schedules fire (`[[schedules]]`)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from engine.configuration.fields import Section, limit
from protocol.schedules import Missed


class Jobs(Section, frozen=True, kw_only=True):
    """The workers of this node: how many jobs of each queue at once (0: none of it), and what a lease is."""

    alert_slots: Annotated[int, limit(0, 1_000, "They wait for the store, and share its transactions.")] = 16
    analytics_slots: Annotated[int, limit(0, 1_000, "They compute, in processes of their own.")] = 2
    prediction_slots: Annotated[int, limit(0, 1_000, "They compute, in processes of their own.")] = 2
    notification_slots: Annotated[int, limit(0, 1_000, "They wait for other people's servers.")] = 32
    target_slots: Annotated[
        int, limit(1, 1_000, "Of one endpoint, and of the mail server, at once: one that hangs holds no more slots.")
    ] = 4
    lease_s: Annotated[
        float, limit(15, 600, "A node that is gone is noticed after so long; renewed thrice in that time.")
    ] = 30.0
    poll_s: Annotated[float, limit(0.1, 60, "Commits wake the workers; so often they look all the same.")] = 1.0
    sweep_s: Annotated[float, limit(1, 300, "How often jobs whose lease has ended are looked for.")] = 5.0
    handed_over_max: Annotated[
        int, limit(1, 1_000_000, "Requests with ?async=true of a workspace that wait; each at most 256 kB.")
    ] = 1_000
    grace_s: Annotated[float, limit(0, 8, "At a stop: for what is in hand, before it is handed back.")] = 6.0


class ScheduleSetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule ([[schedules]]): another one, or with the name of one of the engine's own what is otherwise there."""

    name: str
    # Five fields, or six with seconds first; empty: as the engine has it.
    cron: str = ""
    # Of the cron line; empty: as the engine has it, else UTC.
    zone: str = ""
    # What is done; not for one of the engine's own.
    kind: str = ""
    missed: Missed | None = None
    paused: bool = False
    # Whose it is; empty: `workspace` of the engine.
    workspace: str = ""
    args: dict[str, Any] = {}
