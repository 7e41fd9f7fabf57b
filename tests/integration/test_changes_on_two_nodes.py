"""What is changed at one of two nodes on one Postgres holds at the other when the change is answered."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from engine.nodes import membership, receipts
from tests.integration.test_traces_on_two_nodes import PATIENCE_S, a_workspace_of_another, two_nodes
from tests.support.postgres_server import PostgresDatabase

ROUNDS = 20


async def test_what_is_triggered_after_a_change_was_answered_is_decided_with_it(
    tmp_path: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody is taken for dead, or not waited for, who is only slow.
    monkeypatch.setattr(receipts, "CONFIRM_S", PATIENCE_S)
    monkeypatch.setattr(membership, "LIVE_S", PATIENCE_S)
    async with two_nodes(tmp_path, postgres_database.url) as [(changed, _), (owner, _)]:
        workspace = await a_workspace_of_another(changed)
        headers = {"Authorization": f"Bearer {changed.issue_token(workspace, 'ann')}"}
        async with httpx.AsyncClient(timeout=PATIENCE_S, headers=headers) as http:
            for number in range(ROUNDS):
                title = f"disk {number} is full"
                silence = {
                    "matchers": [{"name": "alertname", "value": title}],
                    "ends_at": "2099-01-01T00:00:00Z",
                    "comment": "on it",
                }
                made = await http.post(f"{changed.http_url}/api/v1/silences", json=silence)
                assert made.status_code == 201, made.text
                body = {"alert": {"framework_id": "web", "title": title}}
                answer = await http.post(f"{owner.http_url}/api/v1/triggers", json=body)
                assert answer.json()["results"][0]["reason"] == "silenced", (number, answer.text)
