"""A real nginx in front of engines, with the configuration that we ship: only names, ports and paths are put in.

Owns the process and what it writes, all in one folder. If the program is missing the test fails and says what to
install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.support.certificates import Files
from tests.support.engines import ROOT

CONF = ROOT / "deploy" / "nginx" / "tocsin.conf"
# What the process itself needs around a site's file; everything that it writes goes into its own folder.
AROUND = """
daemon off;
pid {folder}/pid;
error_log stderr notice;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tocsin.conf;
}}
"""


def program() -> str:
    """Fails the test if there is none."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise pytest.fail.Exception("these tests need nginx: apt-get install nginx-light (make system does)")
    return found


def configuration(folder: Path, port: int, files: Files, addresses: Mapping[str, str]) -> Path:
    """Writes our configuration for this port, certificate and nodes (node-1:8080 → HOST:PORT); its main file."""
    text = CONF.read_text().replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace("/etc/nginx/tls/tocsin.crt", str(files.cert)).replace(
        "/etc/nginx/tls/tocsin.key", str(files.key)
    )
    for name, address in addresses.items():
        assert name in text
        text = text.replace(name, address)
    (folder / "tocsin.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(AROUND.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    return main


@asynccontextmanager
async def an_nginx(main: Path) -> AsyncIterator[None]:
    """Runs it; ready when its workers are."""
    line = [program(), "-p", str(main.parent), "-c", str(main)]
    process = await trio.lowlevel.open_process(line, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        said = b""
        while b"start worker process" not in said:
            data = await process.stderr.receive_some()
            assert data, said.decode()
            said += data
        async with trio.open_nursery() as nursery:
            # Nobody reads on: a full pipe would hold it up.
            nursery.start_soon(_drain, process.stderr)
            yield
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            await process.wait()


async def _drain(stream: trio.abc.ReceiveStream) -> None:
    while await stream.receive_some():
        pass
