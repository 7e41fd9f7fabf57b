"""What is kept: how long (`[retention]`), and how much of what people make (`[objects]`)."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Section, limit

_DAY_S = 86_400
_DECADE_S = 3_653 * _DAY_S


class Retention(Section, frozen=True, kw_only=True):
    """How long events (by age or by count, whichever keeps more) and readings are kept."""

    events_s: Annotated[int, limit(0, _DECADE_S, "Seven days: a client that was off for a week's holiday.")] = 604_800
    events_per_channel: Annotated[int, limit(0, 1_000_000_000, "The newest are kept however old they are.")] = 100_000
    trim_every_s: Annotated[float, limit(1, _DAY_S, "Small trims often: none is long enough to be felt.")] = 600.0
    deliveries_s: Annotated[
        int,
        limit(3_600, _DECADE_S, "Who was told of what: a quarter of a year, for whoever looks back at an incident."),
    ] = 7_776_000
    findings_s: Annotated[
        int,
        limit(
            86_400,
            _DECADE_S,
            "What analytics found, since it was last true: a quarter of a year, over which its accuracy is told.",
        ),
    ] = 7_776_000
    over_s: Annotated[
        float, limit(0, _DECADE_S, "Silences and one-time windows, after their end: Alertmanager's 120 hours.")
    ] = 432_000.0
    readings_s: Annotated[float, limit(60, _DECADE_S, "Each reading: a morning's incident is looked into today.")] = (
        21_600.0
    )
    minutes_s: Annotated[float, limit(60, _DECADE_S, "Readings by the minute: last week, to compare with.")] = 604_800.0
    hours_s: Annotated[float, limit(3_600, _DECADE_S, "Readings by the hour: a year, and a month beside it.")] = (
        34_560_000.0
    )
    roll_up_every_s: Annotated[
        float,
        limit(1, 3_600, "What is not rolled up yet is summed up for everybody who asks; more often is no dearer."),
    ] = 15.0
    count_every_s: Annotated[
        float,
        limit(1, 3_600, "Alerts by hour and day: how often it is looked whether some are due to be counted anew."),
    ] = 5.0


class Objects(Section, frozen=True, kw_only=True):
    """What people make and change: how many of each kind a workspace may have; beyond it error 106."""

    rules_max: Annotated[int, limit(1, 1_000_000, "All of them are in memory, about 1 kB each.")] = 10_000
    silences_max: Annotated[
        int, limit(1, 100_000, "Also those over since less than retention.over_s; one in force takes 3 kB of memory.")
    ] = 10_000
    quiet_expressions_max: Annotated[
        int,
        limit(
            1,
            10_000,
            "Silences and windows in force with matchers other than `=`: each new alert asks all, 1 to 2 us each.",
        ),
    ] = 200
    maintenance_max: Annotated[int, limit(1, 100_000, "Planned windows: a few for each framework.")] = 1_000
    frameworks_max: Annotated[int, limit(1, 1_000_000, "As many as a workspace may have channels in use.")] = 5_000
    users_max: Annotated[int, limit(1, 1_000_000, "A large company's people; none of them are in memory.")] = 10_000
    teams_max: Annotated[int, limit(1, 1_000_000, "One for each ten of its people.")] = 1_000
    workspaces_max: Annotated[int, limit(1, 1_000_000, "Of one engine: each has at least a channel in use.")] = 10_000
    schedules_max: Annotated[int, limit(1, 10_000, "A workspace's own; all are in memory and fire from there.")] = 100
    workflows_max: Annotated[int, limit(1, 100_000, "At most 64 kB each, in the store only.")] = 1_000
    preferences_max: Annotated[int, limit(1, 1_000_000, "One for each of its people; none are in memory.")] = 10_000
    escalations_max: Annotated[int, limit(1, 10_000, "Chains: a few for each team. All of them are in memory.")] = 1_000
    endpoints_max: Annotated[int, limit(1, 100_000, "All of them are in memory, about 2 kB each.")] = 1_000
