"""A week is gathered in its reader's name: what he would not be shown stands in no mail."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from msgspec.structs import replace

from engine.analytics.weekly import Weeks
from engine.stores.incidents import IncidentPage, IncidentQuery, KeptIncident
from engine.verbs.incidents import PARTS_AT_ONCE, incidents_seen
from protocol.model import NEVER_EXPIRES, Principal, Severity
from tests.support.reports import a_week
from tests.unit.test_core_incidents import a_member

ADA = Principal(workspace="acme", user="ada", role="viewer", expires_at=NEVER_EXPIRES)
BOUNDED = replace(ADA, channels=("web",))
SHARED = replace(a_week("pay").incidents[0], frameworks=("pay", "web"))
MINE = replace(SHARED, id="mine", frameworks=("web",))
MEMBERS = [a_member("a", framework="pay"), a_member("b", 1), a_member("c", 2, is_apart=True)]


class Shelf:
    """A store with incidents of two frameworks, and some that go while they are read."""

    def __init__(self, *gone: str, shared: int = 1) -> None:
        self.gone = gone
        self.shared = {each.id: each for each in (replace(SHARED, id=f"i{number}") for number in range(shared))}

    async def incidents(self, query: IncidentQuery) -> IncidentPage:
        assert query.workspace == "acme"
        return IncidentPage(items=[*self.shared.values(), MINE], next_cursor=None)

    async def incidents_named(self, workspace: str, ids: Collection[str]) -> list[KeptIncident]:
        assert (workspace, len(ids) <= PARTS_AT_ONCE) == ("acme", True)
        return [KeptIncident(self.shared[name], MEMBERS) for name in ids if name not in self.gone]


async def test_of_an_incident_that_others_share_he_is_told_his_part() -> None:
    nobody = cast(Any, None)
    weeks = Weeks(cast(Any, Shelf()), nobody, nobody, nobody, nobody, "")
    assert (await weeks.incidents(ADA)).items == [replace(SHARED, id="i0"), MINE]
    seen, mine = (await weeks.incidents(BOUNDED)).items
    assert (seen.title, seen.frameworks, seen.severity) == ("title of b", ("web",), Severity.WARNING)
    assert (seen.alerts, seen.open_alerts, seen.has_others, mine) == (1, 1, True, MINE)


async def test_what_is_gone_before_its_part_was_read_is_not_told_whole() -> None:
    shelf = Shelf("i1", shared=2 * PARTS_AT_ONCE + 1)
    seen = (await incidents_seen(cast(Any, shelf), BOUNDED, IncidentQuery(workspace=""))).items
    assert [each.id for each in seen] == [*(name for name in shelf.shared if name != "i1"), "mine"]
    assert {each.alerts for each in seen if each.has_others} == {1}
