"""What the engine counts, and the page that Prometheus reads.

Actors, the service and the store's writer report here on the hot path, so a report is an integer addition: no label is
made, no lock taken, nothing is rendered until somebody scrapes. Each counter has one reporting thread. What somebody
owns already is not pushed but read at scrape time (`engine/telemetry/figures.py`).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.access.claims import RefusedFor
from engine.foreign_forms import Form
from engine.telemetry.figures import Figures, Read
from engine.telemetry.lately import Counted
from engine.telemetry.series import BoundedLabels, Histogram, TriggerCounts
from engine.telemetry.suppressed import SuppressedLog
from protocol.effects import StormNotice
from protocol.errors import CloseCode
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import ChannelKey, QuietedBy, Reason, Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Prometheus pays for each series: past these, the rest is counted as `other`.
FRAMEWORKS_MAX = 200
ALERT_TYPES_MAX = 100
ACTORS_MAX = 100
# What is not given counts under this name.
NONE = "none"

# 0.1 ms to 10 s, finest where the promises are (a commit 1-2 ms, a fan-out 14 ms, the limit 100 ms).
SECONDS_BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
COUNT_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# The reference's, exactly.
REFERENCE_LATENCY_MS_BUCKETS = (10, 50, 100, 500, 1000, 5000)


class Metrics:
    """The engine's counters; an `actors.ports.Observer`. `version`: by default the installed package's."""

    def __init__(self, *, frameworks_max: int = FRAMEWORKS_MAX, version: str | None = None) -> None:
        self.version = version or _installed_version()
        self.suppressed = SuppressedLog()
        self._build = {"version": self.version, "python": platform.python_version()}
        self._fan_out, self._batch = Histogram(SECONDS_BUCKETS), Histogram(SECONDS_BUCKETS)
        self._commit, self._gc_pause = Histogram(SECONDS_BUCKETS), Histogram(SECONDS_BUCKETS)
        self._loop_lag = Histogram(SECONDS_BUCKETS)
        self._batch_commands, self._commit_batches = Histogram(COUNT_BUCKETS), Histogram(COUNT_BUCKETS)
        # The reference's buckets are too wide to tell 12 ms from 45.
        self._latency_ms, self._answer = Histogram(REFERENCE_LATENCY_MS_BUCKETS), Histogram(SECONDS_BUCKETS)
        # Told after each drain, if somebody follows what is told.
        self.on_drained: Callable[[], None] | None = None
        self._writes = self._deliveries = self._processed = self._errors = self._dead_letters = 0
        self._conflicts = 0
        # Those that began, and those that are over.
        self._storms = [0, 0]
        self._more: list[Callable[[], Iterable[Metric]]] = []
        self._restarts: dict[str, int] = {}
        self._inbound = {(form.value, outcome): 0 for form in Form for outcome in ("taken", "refused")}
        self._refused = dict.fromkeys(Limit, 0)
        self._closes = dict.fromkeys(CloseCode, 0)
        self._actors = BoundedLabels(ACTORS_MAX)
        self._results: dict[tuple[str, str], int] = {}
        self._triggers = TriggerCounts(frameworks_max, ALERT_TYPES_MAX)
        # The reasons are there from the start: a rate over a series that just appeared misses its first step.
        self._refusals = {reason.value: 0 for reason in RefusedFor}
        self._figures = Figures()
        self._figures.reserve(family.name for family in self.collect())
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    @property
    def activity(self) -> int:
        """A number that grows while triggers are answered and alerts told, and stands still in an idle engine."""
        return self._processed + self._deliveries

    # Observer: called by actors

    def fan_out(self, seconds: float, writes: int) -> None:
        """A drain took so long and made so many writes to sockets."""
        self._fan_out.observe(seconds)
        self._writes += writes
        if self.on_drained is not None:
            self.on_drained()

    def delivered(self, messages: int) -> None:
        """So many alert messages were handed to outboxes."""
        self._deliveries += messages

    def batch(self, key: ChannelKey, commands: int, seconds: float) -> None:
        """A channel answered so many commands so long after it took them."""
        self._batch.observe(seconds)
        self._batch_commands.observe(commands)

    def restarted(self, actor: str) -> None:
        """A supervisor restarted an actor of this kind."""
        actor = self._actors.bounded(actor)
        self._restarts[actor] = self._restarts.get(actor, 0) + 1

    def refused(self, limit: Limit) -> None:
        """Somebody was refused at this limit."""
        self._refused[limit] += 1

    def ended(self, code: CloseCode) -> None:
        """We ended a connection with this code."""
        self._closes[code] += 1

    def storm(self, key: ChannelKey, notice: StormNotice) -> None:
        """A channel's storm has begun, or is over."""
        self._storms[notice.is_over] += 1

    def dead_letter(self, key: ChannelKey) -> None:
        """A command was set aside."""
        self._dead_letters += 1

    def conflict(self, key: ChannelKey) -> None:
        """The fence kept a commit out."""
        self._conflicts += 1

    # Called by the service, the store, the application

    def triggered(self, framework: str, alert_type: str | None, n: int = 1) -> None:
        """So many triggers came for a framework. Both labels are bounded."""
        self._triggers.add(framework, alert_type or NONE, n)

    def results(self, items: Iterable[ItemResult]) -> None:
        """What became of the items of a request."""
        counts = self._results
        for item in items:
            # The texts: an enum member's own hash is a Python call in 3.11.
            pair = (item.status._value_, item.reason._value_)
            counts[pair] = counts.get(pair, 0) + 1

    def processed(self, n: int, latency_ms: float) -> None:
        """So many triggers were answered, each this long after it arrived."""
        self._processed += n
        self._latency_ms.observe(latency_ms, n)
        self._answer.observe(latency_ms / 1e3, n)

    def processing_error(self, n: int = 1) -> None:
        """So many triggers failed in the engine (not: were refused)."""
        self._errors += n

    def committed(self, seconds: float, batches: int) -> None:
        """The store made so many batches durable with one commit."""
        self._commit.observe(seconds)
        self._commit_batches.observe(batches)

    def not_let_in(self, reason: str) -> None:
        """A token or ticket was refused for this reason, one of `RefusedFor`."""
        self._refusals[reason] += 1

    def gc_paused(self, seconds: float) -> None:
        """A garbage collection held the loop so long."""
        self._gc_pause.observe(seconds)

    def inbound(self, form: Form, taken: int, refused: int) -> None:
        """So many alerts came in a foreign form, and so many of them were refused."""
        self._inbound[form.value, "taken"] += taken
        self._inbound[form.value, "refused"] += refused

    def loop_lagged(self, seconds: float) -> None:
        """A task that slept was woken so late."""
        self._loop_lag.observe(seconds)

    def watch(self, name: str, read: Read) -> None:
        """Shows what `read` returns at each scrape, as `Figures.watch`, which says what it may be."""
        self._figures.watch(name, read)

    def add(self, families: Callable[[], Iterable[Metric]]) -> None:
        """Shows what a part counts by itself."""
        self._more.append(families)

    def counted(self) -> Counted:
        """What the engine's own health is reckoned from, as it is now."""
        return Counted(
            answers=self._answer.observed(),
            fan_outs=self._fan_out.observed(),
            wake_ups=self._loop_lag.observed(),
            errors=self._errors,
            restarts=sum(self._restarts.values()),
            dead_letters=self._dead_letters,
        )

    def render(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4 (CONTENT_TYPE)."""
        return generate_latest(self._registry) + self._triggers.render()

    def samples(self) -> dict[str, list[tuple[Mapping[str, str], float]]]:
        """The same by name, without the text between; not those per framework and alert type, nor the process's own."""
        found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for family in self.collect():
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def collect(self) -> Iterator[Metric]:
        """Everything but the series per framework and alert type, as the registry asks for it."""
        yield from self._histograms()
        yield from self._counters()
        yield from self._figures.families()
        for families in self._more:
            yield from families()
        # Last: a read that failed in this very scrape is counted in it.
        yield _counter("tocsin_scrape_errors", "Watched parts that could not be read.", self._figures.errors)

    def _histograms(self) -> Iterator[Metric]:
        yield self._fan_out.family("tocsin_fan_out_seconds", "From the first frame noted to the last one written.")
        yield self._batch.family("tocsin_batch_seconds", "From taking a batch of commands to answering it.")
        yield self._batch_commands.family("tocsin_batch_commands", "Commands decided together.")
        yield self._commit.family("tocsin_commit_seconds", "Duration of a commit of the store.")
        yield self._commit_batches.family("tocsin_commit_batches", "Batches made durable by one commit.")
        yield self._loop_lag.family("tocsin_loop_lag_seconds", "How late a sleeping task was woken.")
        yield self._gc_pause.family("tocsin_gc_pause_seconds", "How long garbage collections held the loop.")
        yield self._answer.family("tocsin_answer_seconds", "From the arrival of a trigger to its answer.")
        yield self._latency_ms.family(
            "alert_processing_latency_ms", "From the arrival of a trigger to its answer, milliseconds."
        )

    def _counters(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("tocsin_build_info", "Which build this is.", labels=list(self._build))
        build.add_metric(list(self._build.values()), 1)
        yield build
        yield _counter("tocsin_fan_out_writes", "Writes to sockets in fan-outs.", self._writes)
        yield _counter("tocsin_deliveries", "Alert messages handed to subscribers.", self._deliveries)
        yield _counter("tocsin_dead_letters", "Commands set aside after they failed three times.", self._dead_letters)
        yield _counter(
            "tocsin_store_conflicts",
            "Commits kept out by the fence: another node, or a workflow batch, had moved the channel on.",
            self._conflicts,
        )
        yield _counter("alerts_processed", "Triggers answered.", self._processed)
        yield _counter("alert_processing_errors", "Triggers that failed in the engine.", self._errors)
        yield _counter("tocsin_storms_begun", "Channels whose budget of new alerts was spent.", self._storms[False])
        yield _counter("tocsin_storms_over", "Storms that are over.", self._storms[True])
        restarts = CounterMetricFamily("tocsin_restarts", "Restarts by kind of actor.", labels=["actor"])
        for actor, count in self._restarts.items():
            restarts.add_metric([actor], count)
        yield restarts
        refused = CounterMetricFamily("tocsin_auth_refused", "Tokens and tickets not let in.", labels=["reason"])
        for reason, count in self._refusals.items():
            refused.add_metric([reason], count)
        yield refused
        yield self._limit_refusals()
        inbound = CounterMetricFamily(
            "tocsin_inbound_items", "Alerts in foreign forms, by what became of them.", labels=["form", "outcome"]
        )
        for labels, count in self._inbound.items():
            inbound.add_metric(list(labels), count)
        yield inbound
        closes = CounterMetricFamily("tocsin_closes", "Connections that we ended, by close code.", labels=["code"])
        for code, count in self._closes.items():
            closes.add_metric([str(int(code))], count)
        yield closes
        yield from self._result_families()

    def _limit_refusals(self) -> CounterMetricFamily:
        refusals = CounterMetricFamily("tocsin_refused", "Refused at a limit, by its name.", labels=["limit"])
        for limit, count in self._refused.items():
            refusals.add_metric([limit.value], count)
        return refusals

    def _result_families(self) -> Iterator[Metric]:
        results = CounterMetricFamily(
            "tocsin_triggers_results", "What became of the items of requests.", labels=["status", "reason"]
        )
        # The frequent reasons are there from the start: a rate over a series that just appeared misses its first step.
        reasons = (Reason.DUPLICATE, Reason.COOLDOWN, Reason.REFRESHED, Reason.DISABLED, *map(_quiet, QuietedBy))
        suppressed = {reason.value: 0 for reason in reasons}
        for (status, reason), count in self._results.items():
            results.add_metric([status, reason], count)
            if status == Status.SUPPRESSED.value:
                suppressed[reason] = count
        yield results
        by_reason = CounterMetricFamily("tocsin_triggers_suppressed", "Triggers not said again.", labels=["reason"])
        for reason, count in suppressed.items():
            by_reason.add_metric([reason], count)
        yield by_reason


def _quiet(by: QuietedBy) -> Reason:
    return Reason(by.value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


def _installed_version() -> str:
    try:
        return metadata.version("tocsin")
    except metadata.PackageNotFoundError:
        return "unknown"  # run from a source tree that is not installed
