"""The page is served: what browsers get, what programs get, and what nobody gets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from engine.http.dashboard import COMMAND, read_page, socket_addresses
from tests.support.engines import an_engine

INDEX = (
    '<!doctype html><meta name="tocsin-root" content="" /><meta name="tocsin-socket" content="" />'
    '<meta name="tocsin-command" content="" />'
    '<script type="module" src="./assets/index-abc.js"></script><link rel="stylesheet" href="./assets/index-abc.css">'
)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
WS = "ws://127.0.0.1:3008"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built page, in the place of the real one."""
    assets = tmp_path / "static" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "index.html").write_text(INDEX)
    (assets / "index-abc.js").write_text("// a script\n" * 200)
    (assets / "index-abc.css").write_text("a{}")
    (assets / "secret.key").write_text("not for the web")
    (tmp_path / "static" / "notes.js").write_text("not an asset")
    monkeypatch.setattr("engine.doors.read_page", lambda: read_page(tmp_path / "static"))
    return tmp_path


@pytest.fixture
async def browser(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        an_engine(built / "data") as engine,
        httpx.AsyncClient(base_url=engine.http_url, headers=BROWSER) as client,
    ):
        client.params = {}
        yield client


async def test_the_page_needs_no_token_and_is_asked_for_each_time(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    again = await browser.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == page.headers["etag"]


async def test_the_policy_allows_our_own_files_and_our_own_socket_and_nothing_else(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    (socket,) = re.findall(r'name="tocsin-socket" content="([^"]*)"', page.text)
    assert socket.startswith("ws://127.0.0.1:")
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {socket}",
        "font-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_a_host_that_was_made_up_does_not_get_into_the_policy(browser: httpx.AsyncClient) -> None:
    for host in ("evil.example; script-src *", "a b", 'x" onload="', "x:99999999"):
        page = await browser.get("/", headers={"Host": host})
        said = page.headers.get("content-security-policy", "") + page.text
        assert page.status_code == 400 or host not in said


async def test_files_are_kept_for_a_year_and_travel_packed(browser: httpx.AsyncClient) -> None:
    script = await browser.get("/assets/index-abc.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (script.headers["content-encoding"], script.text) == ("gzip", "// a script\n" * 200)
    plain = await browser.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == script.text
    small = await browser.get("/assets/index-abc.css")
    assert ("content-encoding" in small.headers, small.text) == (False, "a{}")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../index.html",
        "/assets/..%2fnotes.js",
        "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/notes.js",
        "/assets/secret.key",
        "/assets/none.js",
        "/assets/",
        "/assets",
        "/notes.js",
        "/favicon.ico",
    ],
)
async def test_what_is_not_a_file_of_the_page_is_not_found(browser: httpx.AsyncClient, path: str) -> None:
    refused = await browser.get(httpx.URL(str(browser.base_url).rstrip("/") + path))
    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/", "./"),
        ("/rules", "./"),
        ("/rules/slow-search", "../"),
        ("/rules/a/b", "../../"),
        ("/alerts/018f0000-0000-7000-8000-00000000dead", "../"),
    ],
)
async def test_a_views_own_address_is_the_page_with_the_way_back_to_its_root(
    browser: httpx.AsyncClient, path: str, root: str
) -> None:
    page = await browser.get(path)
    assert page.status_code == 200
    assert f'name="tocsin-root" content="{root}"' in page.text
    # What its hints say can be typed.
    assert f'name="tocsin-command" content="{COMMAND}"' in page.text
    assert page.text.count(f'="{root}assets/index-abc.') == 2


async def test_programs_are_told_what_there_is_not(browser: httpx.AsyncClient) -> None:
    for path, headers in (("/api/v1/nothing", BROWSER), ("/api/nothing", BROWSER), ("/rules", {"Accept": "*/*"})):
        refused = await browser.get(path, headers=headers)
        assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
    assert (await browser.get("/api/v1/alerts")).status_code == 401
    assert (await browser.get("/?token=abc")).status_code == 400
    assert (await browser.get("/metrics")).headers["content-type"].startswith("text/plain")


async def test_an_alerts_address_is_the_page_for_whatever_program_follows_a_link(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/alerts/018f0000-0000-7000-8000-00000000dead", headers={"Accept": "*/*"})
    assert (page.status_code, "tocsin-root" in page.text) == (200, True)


async def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.doors.read_page", lambda: read_page(tmp_path))
    async with an_engine(tmp_path / "data") as engine, httpx.AsyncClient(base_url=engine.http_url) as client:
        page = await client.get("/")
        assert (page.status_code, "make run" in page.text) == (200, True)
        assert (await client.get("/assets/index-abc.js")).status_code == 404


def test_the_socket_is_where_the_browser_can_reach_it() -> None:
    at_own_port = socket_addresses("10.0.0.5:8080", "http", "ws://0.0.0.0:3008", 8080)
    assert at_own_port == ["ws://10.0.0.5:3008"]
    assert socket_addresses("[::1]:8080", "http", WS, 8080) == ["ws://[::1]:3008"]
    assert socket_addresses("box:8443", "https", "wss://0.0.0.0:3008", 8443) == ["wss://box:3008"]


def test_behind_a_proxy_the_socket_is_at_its_ws_or_on_a_port_that_was_mapped() -> None:
    assert socket_addresses("alerts.example.com", "http", WS, 8080) == [
        "wss://alerts.example.com/ws",
        "ws://alerts.example.com/ws",
        "ws://alerts.example.com:3008",
    ]


def test_without_a_host_that_can_be_read_the_socket_is_where_it_listens() -> None:
    assert socket_addresses("", "http", WS, 8080) == [WS]
    assert socket_addresses("a; b", "http", WS, 8080) == [WS]
