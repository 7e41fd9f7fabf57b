"""Several whole engines on one store: who decides, what all of them tell, and what happens when one goes."""

from __future__ import annotations

from trio.testing import MockClock

from tests.support.clusters import a_cluster


async def test_a_trigger_at_any_node_is_decided_by_one_and_told_on_all(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        engines = cluster.engines
        async with engines["a"].follow("web") as at_a, engines["b"].follow("web") as at_b:
            first = await engines["a"].ring("web", title="one")
            second = await engines["b"].ring("web", title="one")
            third = await engines["b"].ring("web", title="two")
            assert (first.status.value, second.reason.value, third.status.value) == ("fired", "duplicate", "fired")
            assert first.alert_id == second.alert_id
            for followed in (at_a, at_b):
                told = [await followed.next(), await followed.next()]
                assert [(each.prev, each.offset, each.data.title) for each in told] == [(0, 1, "one"), (1, 2, "two")]
        (other,) = cluster.others()
        registry = engines[other].engine._tree.up.registry
        assert registry.elsewhere == len(registry.cells()) == 1
