"""Operators' verbs on a roster and a store of their own: who sees whom, what is ended, and what is on record first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from engine.access.audit import AuditTrail, TrailWanted
from engine.ids import new_id
from engine.others import EndAsked, NoOthers, Others
from engine.stores import open_store
from engine.stores.trail import AdministrativeAct
from engine.verbs.operators import FORCED, Operators
from protocol.errors import BadRequest, Busy, CloseCode, PermissionDenied, UnknownChannel
from protocol.model import Principal
from tests.support.sessions import Rig, a_rig

NOW = 1_700_000_000_000_000


def who(workspace: str = "acme", role: str = "admin", channels: tuple[str, ...] | None = None) -> Principal:
    return Principal(workspace=workspace, user="boss", role=role, expires_at=2**53, channels=channels)


@asynccontextmanager
async def a_desk(others: Others | None = None) -> AsyncIterator[tuple[Operators, Rig]]:
    with capture_logs():
        async with open_store("memory:", clock=lambda: NOW) as store, a_rig(new_id=new_id) as rig:
            yield Operators(rig.roster, AuditTrail(store, lambda: NOW, 10.0), others or NoOthers()), rig


async def test_the_connections_of_a_workspace_come_in_pages_oldest_first(autojump_clock: MockClock) -> None:
    async with a_desk() as (desk, rig):
        for token in ("ada", "bob", "ada", "eve@rival"):
            await rig.client(token)
        page = await desk.connections(who(), limit=2)
        assert [each.user for each in page.items] == ["ada", "bob"]
        rest = await desk.connections(who(), cursor=page.next_cursor, limit=2)
        assert ([each.user for each in rest.items], rest.next_cursor) == (["ada"], None)
        assert len((await desk.connections(who(), user="ada")).items) == 2
        everybody = (await desk.connections(who("system"))).items
        assert [each.workspace for each in everybody] == ["acme", "acme", "acme", "rival"]
        assert [each.user for each in (await desk.connections(who("system"), "rival")).items] == ["eve"]


async def test_what_is_another_workspaces_does_not_exist(autojump_clock: MockClock) -> None:
    async with a_desk() as (desk, rig):
        peer = await rig.client("eve@rival")
        [stranger] = (await desk.connections(who("system"))).items
        with pytest.raises(UnknownChannel, match="no such connection"):
            await desk.disconnect(who(), stranger.client_id)
        with pytest.raises(UnknownChannel, match="no such workspace"):
            await desk.connections(who(), "rival")
        assert (await desk.acts(who())).items == [], "what was refused is not on record"
        await peer.say({"type": "ping"})
        await peer.hear()


async def test_one_connection_or_all_of_a_user_are_ended_and_on_record(autojump_clock: MockClock) -> None:
    async with a_desk() as (desk, rig):
        peers = [await rig.client("ada") for _ in range(3)]
        first = (await desk.connections(who())).items[0]
        await desk.disconnect(who(), first.client_id, "203.0.113.7")
        assert await peers[0].hear_close() == (CloseCode.FORCED, FORCED)
        assert await desk.disconnect_user(who("system"), "ada", "acme") == 2
        for peer in peers[1:]:
            assert await peer.hear_close() == (CloseCode.FORCED, FORCED)
        [act] = (await desk.acts(who())).items
        assert (act.verb, act.target, act.address, act.place.at) == ("disconnect", first.client_id, "203.0.113.7", NOW)
        [operators] = (await desk.acts(who("system"))).items
        assert (operators.verb, operators.target) == ("disconnect_user", "ada of acme")


async def test_connections_here_end_before_a_silent_node_is_waited_for(autojump_clock: MockClock) -> None:
    class Silent(NoOthers):
        async def end(self, asked: EndAsked) -> int:
            await peer.hear_close()
            return 1

    async with a_desk(Silent()) as (desk, rig):
        peer = await rig.client("ada")
        with trio.fail_after(5):
            assert await desk.disconnect_user(who(), "ada") == 2


async def test_the_trail_comes_in_pages_newest_first_and_knows_its_cursors(autojump_clock: MockClock) -> None:
    async with a_desk() as (desk, _):
        for user in ("ann", "bob", "eve"):
            await desk.disconnect_user(who(), user)
        page = await desk.acts(who(), TrailWanted(limit=2))
        assert [act.target for act in page.items] == ["eve", "bob"]
        rest = await desk.acts(who(), TrailWanted(cursor=page.next_cursor, limit=2))
        assert ([act.target for act in rest.items], rest.next_cursor) == (["ann"], None)
        with pytest.raises(BadRequest, match="use the next_cursor"):
            await desk.acts(who(), TrailWanted(cursor="1.alert.1"))


@pytest.mark.parametrize("bearer", [who(role="viewer"), who(channels=("web",))])
async def test_only_an_administrator_of_a_whole_workspace_may(autojump_clock: MockClock, bearer: Principal) -> None:
    async with a_desk() as (desk, _):
        with pytest.raises(PermissionDenied):
            await desk.connections(bearer)
        with pytest.raises(PermissionDenied):
            await desk.disconnect_user(bearer, "ada")
        with pytest.raises(PermissionDenied):
            await desk.acts(bearer)


async def test_an_act_that_the_store_does_not_take_in_time_is_busy_and_not_done(autojump_clock: MockClock) -> None:
    class Stuck:
        async def add_act(self, act: AdministrativeAct) -> None:
            await trio.sleep_forever()

    async with a_rig() as rig:
        peer = await rig.client("ada")
        desk = Operators(rig.roster, AuditTrail(Stuck(), lambda: NOW, 10.0), NoOthers())  # type: ignore[arg-type]  # what is asked of it
        with pytest.raises(Busy, match="not recorded within 10 s and not done"):
            await desk.disconnect_user(who(), "ada")
        assert trio.current_time() >= 10
        await peer.say({"type": "ping"})
        await peer.hear()
