"""Three nodes on one Postgres and one Redis, in their short form: one is killed, Redis is gone, one is stopped.

The long form, with all faults, 300 clients and 200 triggers a second, is `make chaos`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos import Size, a_chaos

# Six processes, and nobody may wait for longer than five seconds.
pytestmark = pytest.mark.alone


@pytest.mark.timeout(400)
async def test_whatever_fails_every_answered_trigger_is_stored_once_and_every_client_sees_every_offset_once(
    tmp_path: Path,
) -> None:
    async with a_chaos(Size(watchers=12, producers=6, triggers_per_s=30.0), seed=1, folder=tmp_path) as chaos:
        same = await chaos.ring_the_same()
        assert [each.status.value for each in same].count("fired") == 1
        assert (len(same), len({each.alert_id for each in same})) == (1_000, 1), "all answers carry the one alert's id"
        await chaos.run(["kill", "redis_gone", "pause"], calm_s=1.5)
    assert chaos.faults == []
    assert chaos.counts["acked"] > 100
    assert set(chaos.waits) == {"kill", "redis_gone", "pause"}
