"""The README's blocks, tried as they stand."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trio

from engine.sections.notify import Notify
from protocol.items import TriggerInput
from tests.support.engines import ROOT, an_engine, environment
from tests.support.mail_servers import mail_server
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.shell import a_shell

README = (ROOT / "README.md").read_text()
PATIENCE_S = 170.0
AN_ALERT = TriggerInput(framework_id="web", title="Checkout is slow", current_value=950.0)


def blocks(language: str, word: str) -> list[str]:
    """The README's blocks in a language that contain a word."""
    return [block for block in re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S) if word in block]


def sent_by_curl(path: str) -> bytes:
    """The body that the README's curl posts to a path."""
    (block,) = blocks("sh", f"{path} -H")
    (body,) = re.findall(r"-d '(.*)'", block)
    return body.encode()


@pytest.mark.parametrize(
    ("loop", "said"), [("trio", ("fired fired", "suppressed duplicate")), ("asyncio", ("Hello at", "Hello at"))]
)
async def test_the_embedded_engines_of_the_readme_run_beside_one_on_the_usual_ports_and_once_more(
    tmp_path: Path, loop: str, said: tuple[str, str]
) -> None:
    (program,) = [block for block in blocks("python", "Engine(config)") if f"import {loop}\n" in block]
    assert program.count("127.0.0.1:0") == 2
    with trio.fail_after(PATIENCE_S):
        for expected in said:
            done = await trio.run_process(
                [sys.executable, "-c", program], capture_stdout=True, cwd=tmp_path, env=environment()
            )
            # Among what the engine logs: nobody has set logging up.
            assert any(line.startswith(expected) for line in done.stdout.decode().splitlines())
    assert (tmp_path / "my-data" / "tocsin.db").exists()


async def test_the_program_that_asks_what_its_alerts_mean_is_answered(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "analytics.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    with trio.fail_after(PATIENCE_S):
        done = await trio.run_process(
            [sys.executable, "-c", program], capture_stdout=True, cwd=tmp_path, env=environment()
        )
    assert "alerts counted" in done.stdout.decode()


async def test_the_test_of_the_readme_passes(tmp_path: Path) -> None:
    (program,) = blocks("python", "tocsin_engine")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tocsin.testing"]\n')
    (tmp_path / "test_mine.py").write_text(program)
    assert "`trio_mode = true`" in README
    pytest_of_a_user = [sys.executable, "-m", "pytest", "-q", "-o", "trio_mode=true", "-p", "no:cacheprovider"]
    with trio.fail_after(PATIENCE_S):
        done = await trio.run_process(
            [*pytest_of_a_user, "--rootdir", str(tmp_path)],
            capture_stdout=True, cwd=tmp_path, env=environment(), check=False,
        )  # fmt: skip
    assert b"1 passed" in done.stdout, done.stdout.decode()


async def test_the_alerts_that_the_readme_rings_do_not_suppress_each_other(tmp_path: Path) -> None:
    (by_hand,) = re.findall(r'tocsin trigger web --title "(.*?)"', README)
    hand = json.dumps({"alert": {"framework_id": "web", "title": by_hand}}).encode()
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine, httpx.AsyncClient(base_url=engine.http_url, timeout=170) as http:
            headers = {"Authorization": f"Bearer {engine.issue_token('main', 'me')}"}
            reasons = []
            for body in (hand, hand, sent_by_curl("/api/v1/triggers")):
                answer = await http.post("/api/v1/triggers", content=body, headers=headers)
                (result,) = answer.json()["results"]
                reasons.append(result["reason"])
    assert reasons == ["fired", "duplicate", "fired"]


async def test_the_reading_of_the_readme_rings_by_the_rule_of_the_readme_and_is_looked_after(tmp_path: Path) -> None:
    (made,), (looked_after,) = blocks("sh", "tocsin rules add"), blocks("sh", "tocsin alerts ack")
    async with a_shell(tmp_path) as (engine, said), httpx.AsyncClient(base_url=engine.http_url, timeout=170) as http:
        for line in made.splitlines():
            await said(*shlex.split(line, comments=True)[1:])
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'me')}"}
        answer = await http.post("/api/v1/readings", content=sent_by_curl("/api/v1/readings"), headers=headers)
        (result,) = answer.json()["results"]
        assert result["status"] == "fired"
        (tried,) = blocks("sh", "tocsin rules backtest")
        assert "1 fired" in await said(*shlex.split(tried, comments=True)[1:])
        told = [await said(*shlex.split(line)[1:]) for line in looked_after.splitlines()]
    assert told[0] == f"{result['alertId']} acknowledged\n"
    assert told[-1] == f"{result['alertId']} resolved\n"


async def test_the_mailbox_of_the_readme_is_told(tmp_path: Path) -> None:
    (settings,) = re.findall(r"`(TOCSIN_NOTIFY_SMTP_HOST=[^`]+?) \.venv/bin/tocsin serve`", README)
    named = dict(one.split("=") for one in settings.split())
    with mail_server() as mail, trio.fail_after(PATIENCE_S):
        smtp = mail.config(sender=named["TOCSIN_NOTIFY_SMTP_SENDER"])
        async with an_engine(tmp_path, notify=Notify(smtp=smtp)) as engine:
            headers = {"Authorization": f"Bearer {engine.issue_token('main', 'me')}"}
            async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as http:
                made = await http.post("/api/v1/endpoints", content=sent_by_curl("/api/v1/endpoints"))
                assert made.status_code == 201, made.text
                await http.post("/api/v1/triggers", content=sent_by_curl("/api/v1/triggers"))
                while not mail.inbox.taken:
                    await trio.testing.wait_all_tasks_blocked(0.02)
    (told,) = mail.inbox.mails
    assert (told["From"], told["To"]) == ("alerts@example.com", "ops@example.com")
    assert told["Subject"] == "[ERROR] Search is slow"


async def test_the_javascript_of_the_readme_hears_an_alert(tmp_path: Path) -> None:
    (script,) = blocks("js", "WebSocket")
    # As the README says for a node before 22; and it tells when it is subscribed, so that the bell rings after that.
    heard = "socket.addEventListener('message', ({ data }) => console.log(JSON.parse(data).type))"
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:
            script = script.replace("'…'", f"'{engine.issue_token('main', 'me')}'")
            script = script.replace("ws://127.0.0.1:3008", engine.ws_url)
            process = await trio.lowlevel.open_process(
                ["node", "-e", f"const WebSocket = require('ws');\n{script}\n{heard}"],
                stdout=subprocess.PIPE,
                cwd=ROOT / "tests/node",
            )
            assert process.stdout is not None
            said, is_rung = b"", False
            async for some in process.stdout:
                said += some
                # Something else may have been said with it: on a busy machine much is read at once.
                if not is_rung and b"subscribed\n" in said:
                    await engine.service.trigger(engine.principal("test"), [AN_ALERT])
                    is_rung = True
                if b"\nalert\n" in said:
                    process.kill()
            await process.wait()
    assert b"Checkout is slow 950\n" in said


async def test_a_node_of_the_readme_starts_on_a_shared_store(
    tmp_path: Path, postgres_server: PostgresServer, empty_postgres: str, redis: RedisServer
) -> None:
    (block,) = blocks("sh", "tocsin migrate")
    install, *before, serve = block.splitlines()
    assert (ROOT / install.rpartition(" ")[2]).exists()
    place = f"127.0.0.1:{postgres_server.port}/{empty_postgres}"
    script = (
        "\n".join([*before, f"exec env {serve}"])
        .replace("db/tocsin", place)
        .replace("PGPASSWORD=PASSWORD", f"PGPASSWORD={PASSWORD}")
        .replace("OWNER@", f"{OWNER}@")
    )
    # The role is the server's, which others use too.
    script = script.replace("TOCSIN_APP_PASSWORD=$(openssl rand -hex 16)", f"TOCSIN_APP_PASSWORD={PASSWORD}")
    script = script.replace("redis://cache", redis.url).replace(".venv/bin/tocsin", f"{sys.executable} -m tocsin")
    script = script.replace("tocsin serve", "tocsin serve --ws 127.0.0.1:0 --http 127.0.0.1:0")
    with trio.fail_after(PATIENCE_S):
        process = await trio.lowlevel.open_process(
            ["bash", "-ec", script],
            stdout=subprocess.PIPE,
            env=environment(TOCSIN_WATCH_HOST="false", TOCSIN_WATCHDOG_EXIT_S="120", TOCSIN_DATA=str(tmp_path)),
        )
        assert process.stdout is not None
        said = b""
        while b"\n{" not in said or not said.endswith(b"\n"):
            said += await process.stdout.receive_some()
        process.terminate()
        assert await process.wait() == 0
        await process.stdout.aclose()
    assert json.loads(said.splitlines()[-1])["ready"]
    assert b"applied  0001" in said
