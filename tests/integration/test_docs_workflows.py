"""`docs/workflows.md` tells the truth: each request of its example, in order, against a real engine."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.support.engines import ROOT, an_engine
from tests.support.shell import a_shell

PATIENCE_S = 600.0
_BLOCK = re.compile(r"```json\n([A-Z]+) (\S+)\n(.*?)→ (\d{3}) ?(.*?)```", re.DOTALL)


async def test_the_worked_example_is_answered_as_the_page_says(tmp_path: Path) -> None:
    blocks = _BLOCK.findall((ROOT / "docs" / "workflows.md").read_text())
    assert len(blocks) == 6
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:
            headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ed', 'editor')}"}
            async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
                for method, path, body, status, answer in blocks:
                    sent = {"json": json.loads(body)} if body.strip() else {}
                    response = await client.request(method, path, **sent)
                    assert response.status_code == int(status), response.text
                    if answer.strip():
                        assert_within(json.loads(answer), response.json())


async def test_the_commands_of_the_page_do_the_same(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "workflows.md").read_text()
    [block] = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    (tmp_path / "roofing.json").write_text(_BLOCK.findall(page)[0][2])
    (tmp_path / "data").mkdir()
    async with a_shell(tmp_path / "data") as (_, said):
        told = [
            await said(*(str(tmp_path / word) if word.endswith(".json") else word for word in shlex.split(line)[1:]))
            for line in block.splitlines()
        ]
    assert told[1] == "44 is on call\n"
    assert told[-1].splitlines()[1].split()[:3] == ["44", "roofing", "tiles"]


def assert_within(said: Any, really: Any) -> None:
    """What the page shows is there; there may be more."""
    if isinstance(said, dict):
        for name, value in said.items():
            assert_within(value, really[name])
    elif isinstance(said, list):
        assert len(said) == len(really)
        for one, other in zip(said, really, strict=True):
            assert_within(one, other)
    else:
        assert said == really
