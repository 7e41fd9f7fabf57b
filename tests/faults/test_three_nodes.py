"""Three nodes on one Postgres and one Redis, in their short form: nodes are killed, stopped, drained; the servers fail.

The long form, five minutes with 300 clients and 200 triggers a second, is `make chaos`; an hour without faults is
`make calm`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos import SHORT, a_chaos

# Six processes, and a dozen clients that must not take their silence for an end.
pytestmark = pytest.mark.alone

FAULTS = ("kill", "redis_gone", "pause", "postgres_restarted", "drain")


@pytest.mark.timeout(1_200)
async def test_whatever_fails_every_answered_trigger_is_stored_once_and_every_client_hears_every_offset_once(
    tmp_path: Path,
) -> None:
    async with a_chaos(SHORT, seed=1, folder=tmp_path) as chaos:
        same = await chaos.ring_the_same()
        assert [each.status.value for each in same].count("fired") == 1
        assert (len(same), len({each.alert_id for each in same})) == (1_000, 1), "all answers carry the one alert's id"
        await chaos.run(FAULTS)
    assert chaos.wrong == []
    assert tuple(wait.fault for wait in chaos.waits) == FAULTS
    assert len(chaos.producers.acked) > 100
    assert chaos.pager.posts
