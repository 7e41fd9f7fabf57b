"""What others write stays text, and pages of others open nothing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from engine.app import Engine
from tests.support.browsers import Browser, opened

# Each would say so if it ran: in a dialog, or by what the policy refuses.
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script><b>bold</b>"
TRIGGER = {
    "framework_id": "web",
    "title": f"title {MARKUP}",
    "message": f"message {MARKUP}",
    "labels": {"note": f"label {MARKUP}", "runbook": "javascript:alert(3)"},
}
FOREIGN = """<!doctype html><title>elsewhere</title><p id="said"></p><script>
async function tried(what) {{ try {{ return await what(); }} catch (fault) {{ return 'refused'; }} }}
const socket = () => new Promise((resolve, reject) => {{
  const one = new WebSocket('{ws}');
  one.onopen = () => resolve('open');
  one.onerror = reject;
}});
const headers = {{ Authorization: 'Bearer {token}' }};
const asked = async () => (await fetch('{http}/api/v1/alerts', {{ headers }})).status;
const about = async () => (await fetch('{http}/api/v1/about')).status;
(async () => {{
  const all = [await tried(socket), await tried(asked), await tried(about)];
  document.querySelector('#said').textContent = all.join(', ');
}})();
</script>"""


async def test_markup_in_titles_labels_notes_and_names_stays_text(engine: Engine, browser: Browser) -> None:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann')}"}
    async with httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers) as http:
        made = await http.post("/users", json={"id": "bob", "name": f"name {MARKUP}"})
        assert made.is_success, made.text
        answer = await http.post("/triggers", json={"alerts": [TRIGGER]})
        (result,) = answer.json()["results"]
        noted = await http.post(f"/alerts/{result['alertId']}/acknowledge", json={"notes": f"note {MARKUP}"})
        assert noted.is_success, noted.text
    page = await opened(browser, engine, "ann", f"/alerts/{result['alertId']}")
    details = page.get_by_label("Details of the alert")
    for said in (f"title {MARKUP}", f"message {MARKUP}", f"label {MARKUP}", f"note {MARKUP}"):
        await details.get_by_text(said).first().wait_for()
    await details.get_by_role("button", name="Assign to").click()
    await page.locator("datalist option[value=bob]").wait_for(state="attached")
    assert await page.locator("datalist option[value=bob]").text_content() == f"name {MARKUP}"
    assert await page.locator("img, #page script, #page b, [onerror], a[href^='javascript:']").count() == 0


async def test_a_page_from_elsewhere_opens_nothing(engine: Engine, browser: Browser) -> None:
    token = engine.issue_token("main", "ann")
    with somewhere_else(FOREIGN.format(ws=engine.ws_url, http=engine.http_url, token=token)) as address:
        page = await browser.page()
        await page.goto(address)
        await page.locator("#said", has_text=",").wait_for()
        assert await page.locator("#said").text_content() == "refused, refused, refused"


@contextmanager
def somewhere_else(html: str) -> Iterator[str]:
    """A web server of somebody else, with one page; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_OnePage, html.encode())) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            serving.join()


class _OnePage(BaseHTTPRequestHandler):
    def __init__(self, html: bytes, *given: Any) -> None:
        self._html = html
        super().__init__(*given)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self._html)

    def log_message(self, *_: Any) -> None:
        pass
