"""A real browser for tests: Debian's Chromium, driven by playwright-core in a node program (web/browser/driver.mjs).

What is called here is called there, by its name in Playwright, in snake case; nothing happens before it is awaited:
`await page.get_by_role("button", name="Acknowledge").click()`.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from engine.app import Engine
from tests.support.engines import ROOT, environment

DRIVER = ROOT / "web/browser/driver.mjs"
# Longer than anything that the browser waits for.
PATIENCE_S = 800.0
LINE_MAX_BYTES = 1 << 20


class BrowserError(Exception):
    """The browser could not do what was asked of it; its own words."""


@dataclass(frozen=True)
class Remote:
    """Something in the browser's program, and what is to be called on it."""

    browser: Browser
    name: str
    chain: tuple[tuple[str, list[Any]], ...] = ()

    def __getattr__(self, method: str) -> Any:
        def called(*given: Any, **options: Any) -> Remote:
            arguments = [*given, {_camel(name): value for name, value in options.items()}] if options else [*given]
            return Remote(self.browser, self.name, (*self.chain, (_camel(method), arguments)))

        return called

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.browser.ask(self).__await__()


class Browser:
    """A Chromium. Each page is of a person of its own: nothing is shared between two of them."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._heard = b""
        self._numbers = itertools.count(1)

    async def ask(self, remote: Remote, keep: str | None = None) -> Any:
        """Has it done; raises BrowserError."""
        asked = {"id": next(self._numbers), "on": remote.name, "chain": remote.chain}
        line = json.dumps(asked | ({"keep": keep} if keep else {}), default=_regular_expression) + "\n"
        assert self._process.stdin is not None
        await self._process.stdin.send_all(line.encode())
        said = json.loads(await self._line())
        assert said["id"] == asked["id"]
        if "error" in said:
            raise BrowserError(f"{remote.name}{remote.chain}: {said['error']}"[:4_000])
        return said["value"]

    async def page(self, **options: Any) -> Remote:
        """A page of somebody whom the browser does not know yet."""
        number = next(self._numbers)
        options = {"locale": "en-GB", "timezone_id": "Europe/Berlin"} | options
        await self.ask(Remote(self, "browser").new_context(**options), keep=f"context {number}")
        await self.ask(Remote(self, f"context {number}").new_page(), keep=f"page {number}")
        return Remote(self, f"page {number}")

    async def complaints(self) -> list[str]:
        """What went wrong in all pages since it was last asked: errors, and what the policy refused."""
        return await self.ask(Remote(self, "seen").complaints())

    async def events(self) -> list[dict[str, Any]]:
        """The alert messages that came on the sockets of all pages since it was last asked; `page` counts from 1."""
        return await self.ask(Remote(self, "seen").events())

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            some = await self._process.stdout.receive_some(LINE_MAX_BYTES)
            if not some:
                raise BrowserError("the browser's program has ended; what it said is above")
            self._heard += some
        line, _, self._heard = self._heard.partition(b"\n")
        return line


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """One; at the end nothing may have gone wrong in its pages that nobody asked about."""
    with trio.fail_after(PATIENCE_S):
        process = await trio.lowlevel.open_process(
            ["node", str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            browser = Browser(process)
            yield browser
            assert await browser.complaints() == []
        finally:
            with trio.CancelScope(shield=True):
                await process.stdin.aclose()
                with trio.move_on_after(10):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await process.stdout.aclose()


async def signed_in(browser: Browser, http: str, token: str, path: str = "/", **options: Any) -> Remote:
    """The page of the engine at that address, opened by a link, and live."""
    page = await browser.page(**options)
    await page.goto(f"{http}{path}#token={token}")
    await page.locator(".connection.live").wait_for()
    return page


async def opened(
    browser: Browser, engine: Engine, user: str, path: str = "/", role: str = "admin", **options: Any
) -> Remote:
    """The page of an engine in this process, with somebody signed in."""
    return await signed_in(browser, engine.http_url, engine.issue_token("main", user, role=role), path, **options)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _regular_expression(value: Any) -> dict[str, str]:
    if isinstance(value, re.Pattern):
        return {"re": value.pattern}
    raise TypeError(f"cannot be told to the browser: {value!r}")
