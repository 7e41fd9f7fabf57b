"""The nginx configuration that we ship, in a real nginx: sockets, event streams, addresses, nodes that are gone."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trio

from benchmarks.peers.ports import a_port
from engine.app import Engine
from engine.sections.doors import Gateway
from protocol.items import TriggerInput
from tests.support.certificates import Authority
from tests.support.engines import an_engine
from tests.support.event_readers import Reader
from tests.support.nginx import an_nginx, configuration
from tocsin import Client

PATIENCE_S = 600.0
# Any of 127/8 is this machine; nginx itself comes from .1, which the engine trusts.
SOMEBODY = "127.0.0.5"


@dataclass
class Proxied:
    """An engine behind nginx, which believes that there are two more nodes."""

    engine: Engine
    address: str
    trust: ssl.SSLContext

    def client(self, **settings: str) -> httpx.AsyncClient:
        """An administrator's, from `local_address`."""
        headers = {"Authorization": f"Bearer {self.engine.issue_token('system', 'ann', 'admin')}"}
        transport = httpx.AsyncHTTPTransport(verify=self.trust, **settings)
        return httpx.AsyncClient(base_url=f"https://{self.address}", headers=headers, timeout=170, transport=transport)


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[Proxied]:
    files, gone, port = Authority(tmp_path).issue(), f"127.0.0.1:{a_port()}", a_port()
    gateway = Gateway(trusted_proxies=("127.0.0.1",), drain_s=1.0, close_s=0.5)
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path / "data", gateway=gateway, workspace="system") as engine:
            there = {"node-1:8080": gone, "node-1:3008": gone, "node-3:8080": gone, "node-3:3008": gone}
            there |= {"node-2:8080": engine.http_url[7:], "node-2:3008": engine.ws_url[5:]}
            async with an_nginx(configuration(tmp_path, port, files, there)):
                yield Proxied(engine, f"127.0.0.1:{port}", files.client())


async def test_a_socket_through_it_hears_alerts_though_two_of_three_nodes_are_gone(proxied: Proxied) -> None:
    token = proxied.engine.issue_token("system", "bob")
    async with Client(f"wss://{proxied.address}/ws", token, ssl_context=proxied.trust) as bob, proxied.client() as ann:
        await bob.subscribe("web")
        for title in ("one", "two", "three"):
            answer = await ann.post("/api/v1/triggers", json={"alert": {"framework_id": "web", "title": title}})
            assert answer.status_code == 200
            heard = await anext(bob.alerts())
            assert heard.data is not None
            assert heard.data.title == title


async def test_an_event_of_a_stream_comes_at_once(proxied: Proxied) -> None:
    host, port = proxied.address.split(":")
    line = await trio.open_ssl_over_tcp_stream(host, int(port), ssl_context=proxied.trust, https_compatible=True)
    async with line:
        reader = Reader(line)
        token = proxied.engine.issue_token("system", "bob")
        await reader.ask("/api/v1/stream?framework_id=web", {"Authorization": f"Bearer {token}"})
        await reader.next("subscribed")
        who = proxied.engine.principal("test")
        await proxied.engine.service.trigger(who, [TriggerInput(framework_id="web", title="Hello")])
        assert (await reader.next("alert")).data["data"]["title"] == "Hello"


async def test_the_trail_has_the_clients_address_and_not_nginxs_nor_one_that_he_makes_up(proxied: Proxied) -> None:
    async with proxied.client(local_address=SOMEBODY) as ann:
        body = {"alert": {"framework_id": "web", "title": "Hello"}}
        (fired,) = (await ann.post("/api/v1/triggers", json=body)).json()["results"]
        path = f"/api/v1/alerts/{fired['alertId']}"
        await ann.post(f"{path}/acknowledge", json={}, headers={"X-Forwarded-For": "203.0.113.9"})
        story = (await ann.get(f"{path}/audit")).json()["items"]
    assert story[0]["verb"] == "acknowledge"
    assert story[0]["address"] == SOMEBODY


async def test_what_shows_all_workspaces_is_not_passed_on(proxied: Proxied) -> None:
    async with proxied.client() as ann:
        assert [(await ann.get(path)).status_code for path in ("/metrics", "/api/metrics/queue", "/readyz")] == [
            404,
            404,
            200,
        ]


async def test_the_page_comes_through_it_and_says_where_its_socket_is(proxied: Proxied) -> None:
    async with proxied.client() as ann:
        page = await ann.get("/", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        # By the name and the port that the browser knows; the engine knows neither by itself.
        socket = f"wss://{proxied.address}/ws"
        assert socket in page.headers["content-security-policy"]
        for written in re.findall(r'name="tocsin-socket" content="([^" ]*)', page.text):
            assert written == socket
        for asset in re.findall(r'"\./(assets/[^"]+)"', page.text):
            assert (await ann.get(f"/{asset}")).headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await ann.get("/alerts/any", headers={"Accept": "text/html"})).status_code == 200
    async with Client(socket, proxied.engine.issue_token("system", "bob"), ssl_context=proxied.trust) as bob:
        await bob.subscribe("web")
