"""A rolling upgrade: nodes of two versions side by side on one Postgres and one Redis, and nothing is lost over it.

`tests.support.tomorrow` is the later version: its letters, words, answers and migrations say more than today's program
knows. The steps are those of docs/operations.md: migrate while the old node serves, start a new one beside it, stop the
old one, start it as the new version.
"""

from __future__ import annotations

from pathlib import Path

import trio

from tests.support import tomorrow
from tests.support.postgres_server import PostgresDatabase
from tests.support.redis_server import RedisServer
from tests.support.upgrades import TOMORROW, Upgrade, an_upgrade, in_time, migrate_tomorrow, owned_by


async def unreadable_words_cost_only_themselves(upgrade: Upgrade, mine: dict[str, str]) -> None:
    """What today's node cannot read it says, and does the neighbours; what it cannot hear it looks up."""

    async def command(number: int) -> str | None:
        titles = [f"{title} {number}" for title in ("before", tomorrow.RM, "after")]
        before, unknown, after = await upgrade.ring("b", mine["a"], *titles)
        words = [each.status.value for each in (before, unknown, after)]
        return str(unknown.message) if words == ["fired", "rejected", "fired"] else None

    async def result(number: int) -> str | None:
        title = f"twice {number}"
        await upgrade.ring("a", mine["b"], title)
        again, new = await upgrade.ring("a", mine["b"], title, f"new {number}")
        words = [each.status.value for each in (again, new)]
        return str(again.message) if words == ["rejected", "fired"] else None

    assert "another version and does not know this" in await in_time(command)
    assert (await in_time(result)).startswith("done, but")
    foreign = await upgrade.figure("a", "tocsin_nodes_letters_foreign_total")
    await upgrade.ring("b", mine["b"], tomorrow.SUNG)
    follower = upgrade.followers["a", mine["b"]]
    await follower.until(lambda: tomorrow.SUNG in follower.titles)
    assert await upgrade.figure("a", "tocsin_nodes_letters_foreign_total") >= foreign + 2


async def test_two_versions_side_by_side_lose_nothing(
    postgres_database: PostgresDatabase, redis: RedisServer, tmp_path: Path
) -> None:
    async with an_upgrade(postgres_database, redis, tmp_path) as upgrade:
        await upgrade.start("a")
        await upgrade.follow("early")
        async with upgrade.ringing(("a", "early")):
            await trio.to_thread.run_sync(migrate_tomorrow, postgres_database)
        assert upgrade.sql(f"SELECT count(*) FROM {tomorrow.FIELD}") == [["0"]]

        await upgrade.start("b", program=TOMORROW)
        nodes = await upgrade.see_each_other()
        assert nodes["b"]["version"] == tomorrow.VERSION != nodes["a"]["version"]
        mine = owned_by(nodes)
        for workspace in mine.values():
            await upgrade.follow(workspace)
        await unreadable_words_cost_only_themselves(upgrade, mine)
        await upgrade.nothing_is_lost()

        places = [(at, workspace) for at in "ab" for workspace in mine.values()]
        async with upgrade.ringing(*places):
            assert await upgrade.stop("a", to="b") == 0
            await upgrade.start("a", program=TOMORROW)
            assert {each["version"] for each in (await upgrade.see_each_other()).values()} == {tomorrow.VERSION}
        for workspace in mine.values():
            await in_time(lambda number, there=workspace: upgrade.ring("a", there, f"at the end {number}"))
        await upgrade.nothing_is_lost()
