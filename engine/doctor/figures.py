"""What a running engine's own figures say: queues, cache, parts that were restarted, loop, targets that are away.

Read from `/metrics`, as a Prometheus would: what an alarm would say later, the doctor says now, with what to do. Counts
since the engine's start are told as such: the doctor looks once and sees no rates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from engine.configuration.config import Config
from engine.core.health import FULL, SCORE_MIN
from engine.doctor import asking
from engine.doctor.findings import Finding, Level
from engine.doctor.network import runs_here
from protocol.wording import several

# A job that could run waits milliseconds; a minute means that nobody has a hand free.
OLDEST_MAX_S = 60.0
# The reference's bound.
FAILED_MAX = 10
# Fewer look-ups say nothing about a rate: the first of each entry always misses.
LOOKUPS_MIN = 1_000
# What each strategy should reach in a mixed load, in percent; others: half.
HIT_RATES = {"rules": 80.0, "statistics": 85.0, "patterns": 90.0}
HIT_RATE_MIN = 50.0
# A sleeping task is woken within a few milliseconds; a client notices a quarter of a second.
LAG_MAX_S = 0.25

# Samples by name; each with its labels.
Samples = Mapping[str, list[tuple[Mapping[str, str], float]]]


LOOK = "look into the log for the causes, and report them"


class Bound(NamedTuple):
    """A figure that should not be above a bound: its name, the check it belongs to, what it says, and what to do."""

    name: str
    check: str
    limit: float
    says: str
    advice: str


# The last minute or two for the loop, since the start for what is counted.
BOUNDS = (
    Bound("tocsin_channels_parked", "channels", 0, "{:g} parked: they crash again and again", LOOK),
    Bound("tocsin_dead_letters_total", "channels", 0, "{:g} commands set aside", LOOK),
    Bound("tocsin_restarts_total", "restarts", 0, "{:g} parts were restarted", LOOK),
    Bound("tocsin_loop_lag_max_seconds", "loop", LAG_MAX_S, "{:.2f} s late", "give it more CPU, or fewer clients"),
    Bound("tocsin_endpoint_circuits_open", "endpoints", 0, "{:g} targets keep failing", "tocsin endpoints test ID"),
    Bound("tocsin_duplicates_stored_total", "alerts", 0, "{:g} are stored twice", "report it: that must never be"),
)


def state(config: Config) -> Iterator[Finding]:
    """Nothing, if no engine of this configuration runs here."""
    if not runs_here(config):
        return
    status, body = asking.ask(config, "/metrics", asking.operators_token(config))
    if status != 200:
        advice = "look from the engine's machine, or with its secret (TOCSIN_SECRET, TOCSIN_DATA)"
        yield Finding("figures", Level.WARNING, f"/metrics answers {status or 'nothing'}: nothing is known", advice)
        return
    yield from found_in(read(body.decode()))


def found_in(samples: Samples) -> Iterator[Finding]:
    """What somebody should look at, and what is well."""
    yield from health(samples)
    yield from queues(samples)
    yield from caches(samples)
    yield from nodes(samples)
    yield from bounds(samples)


def read(text: str) -> Samples:
    """The samples of Prometheus' text format, by name."""
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def health(samples: Samples) -> Iterator[Finding]:
    """The score, and which parts took points of it; nothing of an engine that has none."""
    if "tocsin_health_score" not in samples:
        return
    score, points = _sum(samples, "tocsin_health_score"), _by("part", samples, "tocsin_health_points")
    taken = ", ".join(f"{part} took {each:g}" for part, each in points.items() if each)
    text = f"the score is {score:g} of {FULL}" + (f": {taken}" if taken else "")
    if score < SCORE_MIN:
        yield Finding("health", Level.WARNING, text, "GET /api/metrics/health says what to do about each")
    else:
        yield Finding("health", Level.OK, text)


def queues(samples: Samples) -> Iterator[Finding]:
    """One line for each queue that somebody should look at; one for all if there is none."""
    oldest, paused = _by("queue", samples, "tocsin_job_oldest_seconds"), _by("queue", samples, "tocsin_queue_paused")
    counts = {(labels["queue"], labels["state"]): value for labels, value in samples.get("queue_job_count", ())}
    seen_well = True
    for queue, age_s in oldest.items():
        failed, waiting = counts.get((queue, "failed"), 0), counts.get((queue, "waiting"), 0)
        if paused.get(queue):
            text, advice = f"{queue} is paused, {waiting:g} wait", f"tocsin queues resume {queue}"
        elif age_s > OLDEST_MAX_S:
            text = f"{queue}: {waiting:g} wait, the oldest for {age_s:.0f} s"
            advice = f"tocsin jobs list --queue {queue} --state active; more slots: jobs.{queue}_slots"
        elif failed > FAILED_MAX:
            text = f"{queue}: {failed:g} failed"
            advice = f"tocsin jobs list --queue {queue} --state failed; when mended: tocsin queues redrive {queue}"
        else:
            continue
        seen_well = False
        yield Finding("queues", Level.WARNING, text, advice)
    if seen_well:
        waiting = sum(value for (_, state), value in counts.items() if state == "waiting")
        jobs = several(int(waiting), "job")
        yield Finding(
            "queues", Level.OK, f"{several(len(oldest), 'queue')}, {jobs} {'waits' if waiting == 1 else 'wait'}"
        )


def caches(samples: Samples) -> Iterator[Finding]:
    """How often each kind of entry was there; nothing of an engine that has counted none."""
    hits, misses = (_by("cache_type", samples, f"cache_{what}_total") for what in ("hits", "misses"))
    for kind in sorted(hits.keys() | misses.keys()):
        lookups = hits.get(kind, 0) + misses.get(kind, 0)
        if not lookups:
            continue
        percent, wanted = 100 * hits.get(kind, 0) / lookups, HIT_RATES.get(kind, HIT_RATE_MIN)
        text = f"{kind}: {percent:.0f} % of {lookups:g} look-ups were there"
        if lookups >= LOOKUPS_MIN and percent < wanted:
            advice = f"{wanted:g} % are usual: is it large enough ([cache]), and does its Redis answer?"
            yield Finding("cache", Level.WARNING, text, advice)
        else:
            yield Finding("cache", Level.OK, text)


def nodes(samples: Samples) -> Iterator[Finding]:
    """How many nodes it sees, and whether Redis carries between them; nothing of an engine that is alone."""
    if live := _sum(samples, "tocsin_nodes_live"):
        yield Finding("nodes", Level.OK, f"{live:g} are live, this one included")
    if "tocsin_bus_redis_up" in samples and not _sum(samples, "tocsin_bus_redis_up"):
        advice = "start Redis, or mend redis.url; until then nodes tell each other over the store, which is slower"
        yield Finding("nodes", Level.WARNING, "Redis does not carry what nodes tell each other", advice)
    if foreign := _sum(samples, "tocsin_nodes_letters_foreign_total") + _sum(samples, "tocsin_bus_unreadable_total"):
        advice = "all nodes need one secret, and two installations on one Redis two of redis.prefix"
        yield Finding("nodes", Level.WARNING, f"of no node of ours: {several(int(foreign), 'word')} on the bus", advice)


def bounds(samples: Samples) -> Iterator[Finding]:
    """Figures above their bounds."""
    above = 0
    for bound in BOUNDS:
        value = _sum(samples, bound.name)
        if value > bound.limit:
            above += 1
            yield Finding(bound.check, Level.WARNING, bound.says.format(value), bound.advice)
    if not above:
        yield Finding("figures", Level.OK, "no part was restarted, nothing set aside, the loop is on time")


def _sum(samples: Samples, name: str) -> float:
    return sum(value for _, value in samples.get(name, ()))


def _by(label: str, samples: Samples, name: str) -> dict[str, float]:
    return {labels[label]: value for labels, value in samples.get(name, ())}
