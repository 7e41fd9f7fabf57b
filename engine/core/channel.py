"""The machine of one channel: commands in, a decision out (results, events, rows), each with its reason.

The actor calls `decide` with a batch, commits what it answers, and only then tells anybody; at `next_due` it calls with
an empty batch. The same store and the same batch give the same decision, ids included. A machine that raised is thrown
away, and another is built from the store. The rules and the quieting that hold come with each batch (`Batch.orders`):
they are the workspace's, not the channel's, and may change between two batches.

    stepping   a workflow's step is done                                 handing_on   escalation: to the next ones
    ringing    triggers, sources: suppression's verdict, carried out      acting     what people do
    watching   readings, held against the rules                          passing    what time alone brings
    hushing    does it ring, or is it quiet?
    ledger     what is remembered, and what the store does not know yet   turn       a decision while it is made
    log        readings, as they are stored with the decision             keeping    when rule states are written
    noting     what somebody may have to be notified of
    agenda     who of many is due when                                    showing    what a rule sees
    previewing what a firing would meet                                   rehearsing what a list would come to

A command that was begun is finished, and one that finds no room is left, with what comes after it, to the next
decision, which is at once: then there are fewer results than commands. So a decision may go over its bounds by what one
command can do to many: a reading by the rules on its metric, re-opening by the windows of the alerts that it names.
"""

from __future__ import annotations

from collections.abc import Iterator

from actors.ports import MachineFactory
from engine.core.acting import Acts
from engine.core.agenda import NEVER
from engine.core.handing_on import hand_on
from engine.core.hushing import Hush
from engine.core.ledger import Ledger
from engine.core.log import ReadingLog
from engine.core.noting import routing_jobs
from engine.core.passing import pass_time
from engine.core.rehearsing import Channel, rehearsed
from engine.core.ringing import Ringer
from engine.core.showing import page_of
from engine.core.stepping import complete_step
from engine.core.turn import HEARD_MAX, ROWS_MAX, TOLD_MAX, Policy, Turn
from engine.core.watching import Watcher
from protocol.commands import Act, Batch, CompleteStep, Escalate, Observe, Preview, Ring
from protocol.effects import Decision, Recalled, StormState
from protocol.items import ItemResult
from protocol.model import ChannelKey
from protocol.orders import Orders
from protocol.readings import Logged
from protocol.rule_series import ListSeries

_QUESTIONS = (ListSeries, Preview)


class ChannelMachine:
    """Decides for one channel: the `Machine` of its actor. `orders` are those that hold when it is built."""

    def __init__(self, key: ChannelKey, recalled: Recalled, orders: Orders, policy: Policy) -> None:
        self._key = key
        self._orders = orders
        self._ledger = Ledger(key.framework, recalled, policy)
        self._hush = Hush(self._ledger, orders, recalled.storm)
        self._storm = self._hush.storm.state
        self._ringer = Ringer(self._ledger, self._hush)
        self._log = ReadingLog(recalled, policy.reading_series_max)
        self._watcher = Watcher(self._ledger, self._ringer, self._log, orders)
        self._restoring = self._watcher.restore(recalled)
        self._acts = Acts(self._ledger, self._hush)

    def restore(self) -> Iterator[None]:
        """Takes up what rules remembered, some milliseconds between two yields; whatever else is asked first does it
        all at once."""
        return self._restoring

    def decide(self, batch: Batch) -> Decision:
        """Applies a batch, then whatever else is due by `batch.now`. Changes the machine: commit it or rebuild it."""
        self._be_ready()
        turn = Turn(batch)
        if batch.orders is not self._orders:
            self._orders = batch.orders
            self._watcher.adopt(batch.orders)
            self._hush.adopt(batch.orders)
        results: list[ItemResult] = []
        most_events = self._ledger.policy.events_max - TOLD_MAX
        for command in batch.commands:
            # Is it for the next decision? There is no room, or it is a question, which takes its time. Asked here and
            # not in a method, which would be a tenth of what a duplicate costs.
            is_full = len(turn.events) > most_events or turn.new_states >= ROWS_MAX or turn.heard >= HEARD_MAX
            if (is_full or isinstance(command, _QUESTIONS)) and results:
                break
            if isinstance(command, Act):
                results += self._acts.act(turn, command)
            elif isinstance(command, Preview):
                channel = Channel(self._ledger, self._hush, self._watcher, batch.orders)
                results += rehearsed(channel, turn, command)
            else:
                results.append(self._one(turn, command))
        self._watcher.pass_time(turn)
        pass_time(self._ledger, self._hush, turn)
        readings = self._log.close(turn)
        self._ledger.flush(turn)
        self._watcher.write_states(turn)
        return self._decision(turn, tuple(results), readings)

    def flush(self, batch: Batch) -> Decision:
        """The counters and rule states that are ahead of the store, at most ROWS_MAX rows at a time, due or not."""
        self._be_ready()
        turn = Turn(batch)
        self._ledger.write_counters(turn)
        self._watcher.write_states(turn, everything=True)
        return self._decision(turn, (), None)

    def next_due(self) -> int | None:
        """When (microseconds) an empty batch would have something to do; in the past if the last one had no room."""
        self._be_ready()
        due = min(self._ledger.next_due(), self._watcher.next_due(), self._hush.next_due())
        return None if due == NEVER else due

    def owes(self) -> bool:
        """Whether something is due that nobody starts this channel for; for silences and maintenance the keeper does
        (`engine.quiet.quiet_keeper`). As dear as there are alerts."""
        self._be_ready()
        ledger, hush = self._ledger, self._hush
        if ledger.is_ahead or self._watcher.next_due() != NEVER or hush.next_due() != NEVER:
            return True
        return any(standing.own_due() != NEVER or hush.owes(standing) for standing in ledger.by_id.values())

    def _be_ready(self) -> None:
        for _ in self._restoring:
            pass

    def _decision(self, turn: Turn, results: tuple[ItemResult, ...], readings: Logged | None) -> Decision:
        return Decision(
            results=results,
            offset=self._ledger.offset,
            events=tuple(turn.events),
            rows=tuple([standing.row() for standing in turn.touched]),
            audits=tuple(turn.audits),
            refusals=tuple(turn.refusals),
            storm=self._changed_storm(),
            storms=tuple(turn.storms),
            readings=readings,
            series=tuple(turn.series),
            states=tuple(turn.states),
            settled=self._watcher.settled,
            jobs=routing_jobs(self._key, turn.events) if self._orders.notifies else (),
        )

    def _changed_storm(self) -> StormState | None:
        """The channel's budget, if this decision has changed it."""
        before, self._storm = self._storm, self._hush.storm.state
        return None if self._storm is before else self._storm

    def _one(self, turn: Turn, command: Ring | Observe | ListSeries | CompleteStep | Escalate) -> ItemResult:
        if isinstance(command, Ring):
            return self._ringer.ring(turn, command, self._watcher.book)
        if isinstance(command, Observe):
            return self._watcher.observe(turn, command)
        if isinstance(command, ListSeries):
            # Or a channel that was just started would show what was due long ago.
            self._watcher.pass_time(turn)
            return page_of(self._watcher.series.watches.get(command.rule), command, self._log, self._ledger)
        if isinstance(command, Escalate):
            return hand_on(self._ledger, turn, command)
        return complete_step(self._ledger, turn, command)


def machine_factory(policy: Policy) -> MachineFactory:
    """Builds machines that decide within these bounds."""

    def build(key: ChannelKey, recalled: Recalled, orders: Orders) -> ChannelMachine:
        return ChannelMachine(key, recalled, orders, policy)

    return build
