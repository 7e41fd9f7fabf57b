"""Stored objects that this version cannot read: hidden, never a failure of ours, and there to be deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.stores.objects import ObjectChange
from tests.support.http_api import problem
from tests.support.shelves import Desk, a_desk, who
from tests.support.stores import NOW

API = "/api/v1"
KINDS = {"rules": "rule", "silences": "silence", "frameworks": "framework", "users": "user", "teams": "team"}
BODIES = ['{"kind":"lunar","id":"odd"}', '{"id":5}', "{"]


async def keep(desk: Desk, kind: str = "rule", body: str = BODIES[0], object_id: str = "odd") -> None:
    """Something that another version of the program stored."""
    change = ObjectChange(
        workspace="acme",
        kind=kind,
        id=object_id,
        body=body,
        framework="web",
        by="eve",
        at=NOW,
        verb=f"create_{kind}",
    )
    await desk.store.change_objects([change])


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("plural", KINDS)
async def test_what_cannot_be_read_is_hidden_and_can_be_deleted(plural: str, body: str) -> None:
    async with a_desk() as desk, desk.client(who("admin")) as admin:
        await keep(desk, KINDS[plural], body)
        path = f"{API}/{plural}"
        assert (await admin.get(path)).json()["items"] == []
        problem(await admin.get(f"{path}/odd"), 404, 102)
        assert (await admin.delete(f"{path}/odd", headers={"If-Match": '"7"'})).status_code == 412
        assert (await admin.delete(f"{path}/odd")).status_code == 204
        problem(await admin.delete(f"{path}/odd"), 404, 102)
        assert await desk.store.objects_named("acme", KINDS[plural], ["odd"]) == {}


async def test_many_of_them_are_deleted_at_once_and_nothing_else_is_done_to_them() -> None:
    async with a_desk() as desk, desk.client(who()) as editor:
        await keep(desk)
        await keep(desk, object_id="other")
        said = [
            (await editor.post(f"{API}/rules/bulk", json={"action": action, "ids": ["odd", "other", "none"]})).json()
            for action in ("archive", "delete")
        ]
        assert [[each["status"] for each in answer["results"]] for answer in said] == [
            ["missing", "missing", "missing"],
            ["done", "done", "missing"],
        ]


async def test_another_one_of_its_id_is_refused_with_what_to_do() -> None:
    async with a_desk() as desk, desk.client(who()) as editor:
        await keep(desk)
        rule = {"id": "odd", "framework": "web", "metric": "cpu", "kind": "threshold", "threshold": 90}
        assert "delete it first" in problem(await editor.post(f"{API}/rules", json=rule), 409, 107)
        await editor.delete(f"{API}/rules/odd")
        assert (await editor.post(f"{API}/rules", json=rule)).json()["version"] == 3


async def test_its_history_is_for_those_who_may_see_all_of_the_workspace() -> None:
    limited = who(user="lim", channels=("web",))
    async with a_desk() as desk, desk.client(who()) as editor, desk.client(limited) as other:
        await keep(desk)
        found = await editor.get(f"{API}/rules/odd/versions")
        assert [each["object"] for each in found.json()["items"]] == [{"kind": "lunar", "id": "odd"}]
        problem(await other.get(f"{API}/rules/odd/versions"), 404, 102)


async def test_who_may_delete_it_is_who_may_change_any_of_its_kind_where_it_is() -> None:
    async with (
        a_desk() as desk,
        desk.client(who("viewer")) as viewer,
        desk.client(who(user="db", channels=("db",))) as elsewhere,
        desk.client(who(user="web", channels=("web",))) as here,
        desk.client(who(workspace="umbrella")) as stranger,
    ):
        await keep(desk)
        problem(await viewer.delete(f"{API}/rules/odd"), 403, 103)
        problem(await elsewhere.delete(f"{API}/rules/odd"), 404, 102)
        problem(await stranger.delete(f"{API}/rules/odd"), 404, 102)
        assert (await here.delete(f"{API}/rules/odd")).status_code == 204


@pytest.mark.parametrize("kind", [*KINDS.values(), "maintenance", "workflow", "workspace"])
async def test_each_is_named_in_the_log_at_the_start(kind: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with a_desk(url) as desk:
        await keep(desk, kind)
    with capture_logs() as logs:
        async with a_desk(url):
            pass
    said = [(line["kind"], line["workspace"], line["id"]) for line in logs if line["event"] == "object_unreadable"]
    assert said == [(kind, "acme", "odd")]
