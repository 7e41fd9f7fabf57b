"""A server in front of an engine's HTTP door, as a proxy that was set up in a hurry: it has no WebSocket, and its name
is not among the engine's origins. It may say of the engine what is not so (`about`), as one of another version would.
"""

from __future__ import annotations

import functools
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ABOUT = "/api/v1/about"
# Of one connection, which each answer here ends; and what the answer's length says anew.
HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "keep-alive"})


@contextmanager
def a_front(http_url: str, about: Mapping[str, Any] | None = None) -> Iterator[str]:
    """One; its address."""
    behind = http_url.removeprefix("http://")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Forwarding, behind, about or {})) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


class _Forwarding(BaseHTTPRequestHandler):
    def __init__(self, behind: str, about: Mapping[str, Any], *given: Any) -> None:
        self._behind, self._about = behind, about
        super().__init__(*given)

    def forward(self) -> None:
        if self.headers.get("Upgrade"):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        # The page's own name, by which the engine writes its addresses.
        headers |= {"Connection": "close", "Accept-Encoding": "identity"}
        engine = http.client.HTTPConnection(self._behind)
        try:
            engine.request(self.command, self.path, body, headers)
            with engine.getresponse() as found:
                self._answer(found)
        finally:
            engine.close()

    do_GET = do_POST = forward

    def _answer(self, found: http.client.HTTPResponse) -> None:
        content = found.read()
        if self.path == ABOUT:
            content = json.dumps(json.loads(content) | self._about).encode()
        self.send_response(found.status)
        for name, value in found.getheaders():
            if name.lower() not in HOP_BY_HOP | {"date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass
