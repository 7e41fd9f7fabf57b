"""`tocsin endpoints` against a real engine and a server to send to."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.peers.ports import a_port
from engine.sections.notify import Notify
from tests.support.http_sink import a_sink, answer
from tests.support.shell import a_shell, in_thread

HERE = Notify(allow_private=("127.0.0.1/32",))


async def test_an_endpoint_is_made_tested_rotated_and_its_secret_is_printed_once(tmp_path: Path) -> None:
    async with a_sink() as sink, a_shell(tmp_path, notify=HERE) as (_, said):
        url = sink.url("/secret-path")
        made, secret = (await said("endpoints", "put", "pager", "channel=webhook", f"url={url}")).splitlines()
        assert made == "endpoint pager made, version 1"
        assert secret.startswith("secret, shown this once: whsec_")
        head, row = (await said("endpoints", "list")).splitlines()
        assert head.split()[:4] == ["ENDPOINT", "CHANNEL", "FORMAT", "TARGET"]
        assert row.split()[:4] == ["pager", "webhook", "tocsin", f"http://127.0.0.1:{sink.port}/…"]
        shown = await said("endpoints", "show", "pager")
        assert "secret-path" not in shown and "whsec_" not in shown
        assert json.loads(shown)["health"]["circuit"] == "closed"
        assert await said("endpoints", "test", "pager") == "delivered\n"
        sink.behave.append(answer(404, b"no such hook"))
        assert await said("endpoints", "test", "pager", code=1) == "refused: answered 404 (no such hook)\n"
        rotated, secret = (await said("endpoints", "rotate", "pager", "--keep", "60")).splitlines()
        assert rotated == "endpoint pager has a new secret, version 2"
        assert secret.startswith("secret, shown this once: whsec_")
        given = "whsec_" + "a" * 44
        assert await said("endpoints", "rotate", "pager", "--secret", given, "--keep", "0") == (
            "endpoint pager has a new secret, version 3\n"
        )
        assert await said("endpoints", "put", "pager", "min_severity=error") == "endpoint pager changed, version 4\n"
        assert await said("endpoints", "disable", "pager") == "pager: disabled\n"
        assert "switched off" in await said("endpoints", "test", "pager", code=1)
        assert await said("endpoints", "enable", "pager") == "pager: enabled\n"


async def test_a_mailbox_is_told_that_there_is_no_mail_server_and_listed_without_a_format(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        assert "put      Makes or changes an endpoint." in (await in_thread("endpoints", "--help")).output
        made = await said("endpoints", "put", "ops", "channel=email", "address=ops@example.com")
        assert "\nkept, but nothing arrives there now: no mail server" in made
        assert (await said("endpoints", "list")).splitlines()[1].split()[:3] == ["ops", "email", "-"]


async def test_what_is_wrong_with_an_endpoint_is_said(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        private = await said("endpoints", "put", "x", "channel=webhook", "url=http://10.0.0.1/", code=1)
        assert "is not on the public internet" in private
        assert "there is no such endpoint" in await said("endpoints", "test", "x", code=1)
        assert "there is no such endpoint" in await said("endpoints", "rotate", "x", code=1)


async def test_who_makes_an_endpoint_that_does_not_answer_is_told_so(tmp_path: Path) -> None:
    async with a_sink(port=a_port()) as sink:
        gone = sink.url()
    async with a_shell(tmp_path, notify=HERE) as (_, said):
        secret = "secret=whsec_" + "a" * 44
        made, wrong = (await said("endpoints", "put", "x", "channel=webhook", f"url={gone}", secret)).splitlines()
        assert made == "endpoint x made, version 1"
        assert wrong.startswith("kept, but nothing arrives there now: 127.0.0.1 port ")
        assert wrong.endswith(": Connection refused")
