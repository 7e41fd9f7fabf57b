"""Three nodes on one Postgres and nothing else, in the short form: what they tell each other goes over the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos import SHORT, a_chaos

# Five processes, and a dozen clients that must not take their silence for an end.
pytestmark = pytest.mark.alone

FAULTS = ("kill", "postgres_restarted")


@pytest.mark.timeout(1_200)
async def test_without_redis_every_answered_trigger_is_stored_once_and_every_client_hears_every_offset_once(
    tmp_path: Path,
) -> None:
    async with a_chaos(SHORT, seed=1, folder=tmp_path, with_redis=False) as chaos:
        same = await chaos.ring_the_same()
        assert [each.status.value for each in same].count("fired") == 1
        assert (len(same), len({each.alert_id for each in same})) == (1_000, 1), "all answers carry the one alert's id"
        await chaos.run(FAULTS)
    assert chaos.wrong == []
    assert tuple(wait.fault for wait in chaos.waits) == FAULTS
    assert chaos.pager.posts
