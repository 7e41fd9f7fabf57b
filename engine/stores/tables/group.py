"""A group of commits in one transaction: the fence for each, and the rows of those that are new, table by table.

Whoever has the transaction says where its channels stand (`Places`); SQLite's writer remembers it between transactions,
Postgres reads it under the locks of their rows. After a failure nothing here is to be used again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from msgspec.structs import replace

from engine.stores.tables import aggregate_hours as hours
from engine.stores.tables.connection import Connection
from engine.stores.tables.jobs import JOBS
from engine.stores.tables.places import ChannelPlace, Place, Places
from engine.stores.tables.queries import channel_history
from engine.stores.tables.quiet import STORMS
from engine.stores.tables.rows import (
    ALERTS,
    AUDITS,
    CHANNELS,
    ENTRIES,
    EVENTS,
    PEOPLE,
    READINGS,
    RULE_STATES,
    SERIES,
    WORKSPACES,
    Prepared,
    decode_results,
    numbered,
)
from protocol.effects import Behind, CommitOutcome, Committed
from protocol.errors import CommitInvalid
from protocol.model import Event

Outcome = CommitOutcome | CommitInvalid


class Group:
    """Commits of different channels, in one transaction."""

    def __init__(self, places: Places) -> None:
        # Those that are to be written.
        self.fresh: list[Prepared] = []
        self._places = places

    def decide(self, connection: Connection, prepared: Prepared) -> Outcome:
        """The fence: known batch, other place, or (then it joins `fresh`) to be written."""
        commit, channel = prepared.commit, self._places.channel(connection, prepared.key)
        if channel.last_batch == commit.batch.id:
            return _replay(connection, channel)
        logged = commit.decision.readings
        if channel.offset != commit.base or (logged is not None and logged.seq != channel.seq + 1):
            return Behind(channel.offset)
        if commit.after is not None and channel.last_batch != commit.after:
            return Behind(channel.offset)
        workspace, decision = channel.workspace, commit.decision
        prepared.address(channel.number, workspace.number, workspace.offset)
        events = numbered(decision.events, workspace.offset)
        workspace.offset += len(events)
        if any(event.alert.assigned_to or event.also for event in events):
            events = self._assigned(connection, prepared, workspace, events)
        channel.offset, channel.last_batch, channel.last_base = decision.offset, commit.batch.id, commit.base
        channel.seq, channel.settled = channel.seq if logged is None else logged.seq, decision.settled
        self.fresh.append(prepared)
        return Committed(decision.results, events)

    def _assigned(
        self, connection: Connection, prepared: Prepared, workspace: Place, events: Sequence[Event]
    ) -> tuple[Event, ...]:
        """The events with their places in the streams of the people whom they concern."""
        told: list[Event] = []
        entries: list[Any] = []
        for event in events:
            offsets: dict[str, int] = {}
            for name in event.people:
                person = self._places.person(connection, workspace.number, name)
                offsets[name] = person.offset = person.offset + 1
                entries += (person.number, person.offset, workspace.number, event.workspace_offset)
            told.append(replace(event, user_offsets=offsets) if offsets else event)
        prepared.entries = entries
        return tuple(told)

    def write(self, connection: Connection) -> None:
        """Writes what is fresh: one statement for each table, or a few."""
        fresh = self.fresh
        ALERTS.run(connection, _joined(prepared.alerts for prepared in fresh))
        EVENTS.run(connection, _joined(prepared.events for prepared in fresh))
        AUDITS.run(connection, _joined(prepared.audits for prepared in fresh))
        if entries := _joined(prepared.entries for prepared in fresh):
            ENTRIES.run(connection, entries)
            people = dict(zip(entries[0 :: ENTRIES.width], entries[1 :: ENTRIES.width], strict=True))
            PEOPLE.run(connection, [*chain.from_iterable(people.items())])
        for prepared in fresh:
            prepared.log.forget(connection, self._places.known(prepared.key).number)
        SERIES.run(connection, _joined(prepared.log.series for prepared in fresh))
        READINGS.run(connection, _joined(prepared.log.readings for prepared in fresh))
        RULE_STATES.run(connection, _joined(prepared.log.states for prepared in fresh))
        STORMS.run(connection, _joined(self._storm(prepared) for prepared in fresh))
        JOBS.run(connection, _joined(prepared.jobs for prepared in fresh))
        hours.MARKS.run(connection, hours.joined(prepared.marks for prepared in fresh))
        channels: list[Any] = []
        workspaces: dict[int, int] = {}
        for prepared in fresh:
            place = self._places.known(prepared.key)
            channels += (place.number, place.offset, place.last_batch, place.last_base, prepared.results)
            channels += (place.seq, place.settled)
            workspaces[place.workspace.number] = place.workspace.offset
        CHANNELS.run(connection, channels)
        WORKSPACES.run(connection, [*chain.from_iterable(workspaces.items())])

    def _storm(self, prepared: Prepared) -> list[Any]:
        state, place = prepared.commit.decision.storm, self._places.known(prepared.key)
        if state is None:
            return []
        return [place.number, place.workspace.number, state.full_at, state.since, state.held, state.rang]


def _replay(connection: Connection, channel: ChannelPlace) -> Committed:
    """The answer that the channel's last batch was given."""
    ((results,),) = connection.execute("SELECT last_results FROM channel WHERE id = ?", (channel.number,)).fetchall()
    count = channel.offset - channel.last_base
    events = channel_history(connection, channel.number, channel.last_base, count)
    return Committed(decode_results(results), tuple(events))


def _joined(lists: Iterable[list[Any]]) -> list[Any]:
    parts = list(lists)
    return parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
