"""A real Prometheus rings here: Debian's server with a rule file, its alerting section pointed at us."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from engine.app import Engine
from engine.configuration.config import Config

PATIENCE_S = 160.0
RULES = """
groups:
  - name: probe
    interval: 1s
    rules:
      - alert: ProbeHigh
        # Of a look that came too late on a busy machine Prometheus makes that there is nothing; the last one counts.
        expr: last_over_time(probe_value[2m]) > 5
        labels: {severity: page, team: night}
        annotations: {summary: "The probe reads {{ $value }}", description: "Somebody should look."}
"""


class Probe:
    """A scrape target whose one metric the test sets."""

    def __init__(self) -> None:
        self.value = 9

    async def serve(self, task_status: trio.TaskStatus[int]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._answer, listeners)

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            body = f"probe_value {self.value}\n".encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            await stream.send_all(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


@asynccontextmanager
async def prometheus(folder: Path, target: int, engine: Engine, token: str) -> AsyncIterator[None]:
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yml"],
                "scrape_configs": [{"job_name": "probe", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
                "alerting": {
                    "alertmanagers": [
                        {
                            "authorization": {"credentials": token},
                            "static_configs": [{"targets": [engine.http_url.removeprefix("http://")]}],
                        }
                    ]
                },
            }
        )
    )
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed: make system"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0",
        # An alert counts as over four times as long after it was last sent: Prometheus may be held up for a while.
        "--rules.alert.resend-delay=4s",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = await trio.lowlevel.open_process(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            with trio.CancelScope(shield=True):
                await process.wait()


async def next_alert(socket: WebSocketConnection) -> dict:
    while True:
        message = json.loads(await socket.get_message())
        if message["type"] == "alert":
            return message


def count_reports(engine: Engine) -> Callable[[int], object]:
    """Wraps the verb that Prometheus' posts end in; gives a waiter for so many more of them."""
    report, posts = engine.service.report, trio.Condition()
    seen = 0

    async def counted(*args):
        nonlocal seen
        results = await report(*args)
        async with posts:
            seen += 1
            posts.notify_all()
        return results

    engine.service.report = counted  # type: ignore[method-assign]

    async def wait(more: int) -> None:
        goal = seen + more
        async with posts:
            while seen < goal:
                await posts.wait()

    return wait


async def test_prometheus_rings_once_refreshes_and_resolves(tmp_path: Path) -> None:
    probe = Probe()
    config = Config(data=tmp_path / "data", ws="127.0.0.1:0", http="127.0.0.1:0", watch_host=False)
    with trio.fail_after(PATIENCE_S):
        async with Engine(config) as engine, trio.open_nursery() as nursery:
            target = await nursery.start(probe.serve)
            token = engine.issue_token("main", "prometheus")
            wait_for_posts = count_reports(engine)
            async with open_websocket_url(engine.ws_url) as socket, prometheus(tmp_path, target, engine, token):
                await socket.send_message(json.dumps({"type": "auth", "token": token}))
                await socket.send_message(json.dumps({"type": "subscribe", "frameworkId": "probe"}))

                fired = await next_alert(socket)
                assert fired["event"] == "fired"
                assert fired["data"]["severity"] == "critical", "the word page means critical"
                assert fired["data"]["title"] == "The probe reads 9"
                assert fired["data"]["labels"]["team"] == "night"

                await wait_for_posts(3)
                await amtool_lists_it(engine, token, tmp_path)
                probe.value = 1
                resolved = await next_alert(socket)
                assert resolved["event"] == "resolved", "re-sends must not ring"
                assert resolved["data"]["id"] == fired["data"]["id"]
                assert resolved["offset"] == fired["offset"] + 1
            nursery.cancel_scope.cancel()


async def amtool_lists_it(engine: Engine, token: str, folder: Path) -> None:
    (folder / "http.yml").write_text(json.dumps({"authorization": {"credentials": token}}))
    done = await trio.run_process(
        [
            "amtool",
            "alert",
            "query",
            f"--alertmanager.url={engine.http_url}",
            f"--http.config.file={folder / 'http.yml'}",
            "--output=json",
        ],
        capture_stdout=True,
        stderr=subprocess.DEVNULL,  # it warns that our version is not an Alertmanager's
    )
    assert done.stdout.startswith(b"["), done.stdout
    (listed,) = json.loads(done.stdout)
    assert listed["labels"]["alertname"] == "ProbeHigh"
    assert listed["status"]["state"] == "active"
