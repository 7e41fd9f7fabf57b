"""Three nodes as deploy/compose.yaml runs them: its settings, its migration, a Redis, and nginx in front of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import trio
import yaml

from benchmarks.peers.ports import a_port
from engine.access.auth import Authenticator
from tests.support.certificates import Authority, Files
from tests.support.engines import ROOT, SECRET, EngineProcess, an_engine_process, command, environment
from tests.support.nginx import an_nginx, configuration
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.redis_server import RedisServer
from tocsin import Client

PATIENCE_S = 600.0
SERVICES = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
NODES = ("node-1", "node-2", "node-3")


def settings(service: str, database: str, redis: str) -> dict[str, str]:
    """A service's variables with this machine's addresses and our secrets in them."""
    found = {}
    for name, text in SERVICES[service]["environment"].items():
        text = re.sub(r"\$\{(\w*PASSWORD):\?[^}]*\}", PASSWORD, text)
        text = re.sub(r"\$\{\w+:\?[^}]*\}", SECRET, text)
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        text = text.replace("://tocsin:", f"://{OWNER}:")
        found[name] = text.replace("postgres:5432/tocsin", database).replace("172.31.77.0/24", "127.0.0.1")
    if "TOCSIN_REDIS_URL" in found:
        found["TOCSIN_REDIS_URL"] = redis
    return found


@asynccontextmanager
async def three_nodes(folder: Path, database: str, redis: str) -> AsyncIterator[dict[str, EngineProcess]]:
    """All of them, ready."""
    migrate = command(*SERVICES["migrate"]["command"])
    variables = environment(**settings("migrate", database, redis))
    done = await trio.run_process(migrate, env=variables, capture_stdout=True)
    assert b"applied  0001" in done.stdout
    async with AsyncExitStack() as stack:
        nodes: dict[str, EngineProcess] = {}
        for name in NODES:
            (folder / name).mkdir()
            own = settings(name, database, redis)
            _, *arguments = SERVICES[name]["command"]
            node = an_engine_process(folder / name, *arguments, **own)
            nodes[name] = await stack.enter_async_context(node)
        yield nodes


def proxied(folder: Path, files: Files, nodes: dict[str, EngineProcess]) -> tuple[str, Path]:
    """Where nginx is, and its configuration."""
    addresses = {f"{name}:8080": node.http.rpartition("//")[2] for name, node in nodes.items()}
    addresses |= {f"{name}:3008": node.ws.rpartition("//")[2] for name, node in nodes.items()}
    port = a_port()
    return f"127.0.0.1:{port}", configuration(folder, port, files, addresses)


async def test_three_nodes_behind_nginx_are_one_and_one_of_them_may_be_killed(
    tmp_path: Path, postgres_server: PostgresServer, empty_postgres: str, redis: RedisServer
) -> None:
    files = Authority(tmp_path).issue()
    database = f"127.0.0.1:{postgres_server.port}/{empty_postgres}"
    token = Authenticator(SECRET.encode()).issue("main", "ann", "admin", 3_600)
    trust = files.client()
    with trio.fail_after(PATIENCE_S):
        async with three_nodes(tmp_path, database, redis.url) as nodes:
            address, main = proxied(tmp_path, files, nodes)
            async with (
                an_nginx(main),
                Client(f"wss://{address}/ws", token, ssl_context=trust) as ann,
                httpx.AsyncClient(
                    base_url=f"https://{address}",
                    headers={"Authorization": f"Bearer {token}"},
                    verify=trust,
                    timeout=170,
                ) as http,
            ):
                await ann.subscribe("web")
                assert await rung(http, "before", 6) == await heard(ann, 6)
                await nodes["node-2"].kill()
                assert await rung(http, "after", 6) == await heard(ann, 6)


async def rung(http: httpx.AsyncClient, word: str, count: int) -> list[str]:
    """The titles of alerts that were acknowledged, each asked for until it was (a node that takes over says `busy`)."""
    titles = [f"{word} {number}" for number in range(count)]
    for title in titles:
        while True:
            answer = await http.post("/api/v1/triggers", json={"alert": {"framework_id": "web", "title": title}})
            if answer.status_code == 200:
                (result,) = answer.json()["results"]
                assert result["status"] in ("fired", "suppressed"), result
                break
            assert answer.status_code in (502, 503, 504), answer.text
    return titles


async def heard(client: Client, count: int) -> list[str]:
    """The titles of the next alerts."""
    found = []
    for _ in range(count):
        message = await anext(client.alerts())
        assert message.data is not None
        found.append(message.data.title)
    return found
