"""`docs/jobs.md` tells the truth: each request, command and setting of the page, against a real engine."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import trio

from engine.configuration.settings import load
from tests.integration.test_docs_workflows import assert_within
from tests.support.engines import ROOT, an_engine
from tests.support.shell import a_shell

PAGE = (ROOT / "docs" / "jobs.md").read_text()
PATIENCE_S = 600.0
_BLOCK = re.compile(r"```json\n([A-Z]+) (\S+)\n(.*?)→ (\d{3}) ?(.*?)```", re.DOTALL)


async def test_the_requests_of_the_page_are_answered_as_it_says(tmp_path: Path) -> None:
    blocks = _BLOCK.findall(PAGE)
    assert len(blocks) == 4
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:
            headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ed', 'editor')}"}
            async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
                for method, path, body, status, answer in blocks:
                    sent = {"json": json.loads(body)} if body.strip() else {}
                    response = await client.request(method, path, **sent)
                    assert response.status_code == int(status), response.text
                    said, got = json.loads(answer), response.json()
                    # Its number is whatever comes next.
                    assert isinstance(got.pop("job_id", None), type(said.pop("job_id", None)))
                    assert_within(said, got)


async def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    async with a_shell(tmp_path) as (_, said):
        for line in block.splitlines():
            assert await said(*shlex.split(line)[1:])


async def test_the_settings_of_the_page_are_in_force(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "tocsin.toml"
    file.write_text(block)
    settings = load({}, {}, file).schedules
    async with a_shell(tmp_path, schedules=settings) as (_, said):
        weekly = json.loads(await said("schedules", "show", "weekly"))
        retention = json.loads(await said("schedules", "show", "retention", "--workspace", "system"))
    assert (weekly["cron"], weekly["args"]) == ("0 6 * * 1", {"project_ids": ["42"]})
    assert (retention["cron"], retention["zone"]) == ("0 4 * * *", "Europe/Berlin")
