"""A week is gathered in its reader's name: what he would not be shown stands in no mail."""

from __future__ import annotations

from typing import Any, cast

from msgspec.structs import replace

from engine.analytics.weekly import Weeks
from engine.stores.incidents import IncidentPage, IncidentQuery
from engine.verbs.incidents import PARTLY
from protocol.model import NEVER_EXPIRES, Principal
from tests.support.reports import a_week

ADA = Principal(workspace="acme", user="ada", role="viewer", expires_at=NEVER_EXPIRES)
SHARED = replace(a_week("pay").incidents[0], frameworks=("pay", "web"))


class Shelf:
    """A store with one incident of two frameworks."""

    async def incidents(self, query: IncidentQuery) -> IncidentPage:
        assert query.workspace == "acme"
        return IncidentPage(items=[SHARED], next_cursor=None)


async def test_of_an_incident_that_others_share_he_is_told_his_part() -> None:
    nobody = cast(Any, None)
    weeks = Weeks(cast(Any, Shelf()), nobody, nobody, nobody, nobody, "")
    assert (await weeks.incidents(ADA)).items == [SHARED]
    (seen,) = (await weeks.incidents(replace(ADA, channels=("web",)))).items
    assert (seen.title, seen.frameworks) == (PARTLY, ("web",))
