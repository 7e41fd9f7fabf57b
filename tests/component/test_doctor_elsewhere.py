"""The doctor at an engine whose address is named as it is to all other commands: `--api`, `TOCSIN_API`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.doctor import Level, asking, elsewhere
from engine.doctor.elsewhere import doors
from tests.support.engines import an_engine, command, environment


async def doctor(folder: Path, *arguments: str, **variables: str) -> list[dict[str, Any]]:
    line = command("doctor", "--json", "--data", str(folder), *arguments)
    done = await trio.run_process(line, capture_stdout=True, check=False, env=environment(**variables))
    return json.loads(done.stdout)["findings"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("is_variable", [True, False])
async def test_the_doctor_goes_where_clients_go(tmp_path: Path, is_variable: bool) -> None:
    async with an_engine(tmp_path) as engine:
        if is_variable:
            found = await doctor(tmp_path, TOCSIN_API=engine.http_url)
        else:
            found = await doctor(tmp_path, "--api", engine.http_url)
    said = {check: [each["text"] for each in found if each["check"] == check] for check in ("ports", "round trip")}
    ws, http = (url.rpartition("//")[2] for url in (engine.ws_url, engine.http_url))
    assert said["ports"] == [f"{name} is served by a running engine" for name in (f"ws {ws}", f"http {http}")]
    assert [text for text in said["round trip"] if "ping" in text] != []
    assert not any(each["level"] == "FAIL" for each in found)


@pytest.mark.parametrize(
    ("api", "level", "text"),
    [
        ("http://alerts.example.com:8080", Level.WARNING, "alerts.example.com is another machine, and not looked at"),
        ("https://192.0.2.1", Level.WARNING, "192.0.2.1 is another machine, and not looked at"),
        ("127.0.0.1:8080", Level.FAIL, "'127.0.0.1:8080' is no address"),
        ("http://127.0.0.1:port", Level.FAIL, "'http://127.0.0.1:port' is no address"),
        ("ws://127.0.0.1", Level.FAIL, "'ws://127.0.0.1' is no address"),
        (
            "http://localhost/tocsin/",
            Level.FAIL,
            "'http://localhost/tocsin/' is a path of a proxy, and here the engine itself is looked at",
        ),
    ],
)
def test_what_is_no_address_of_this_machine_is_said_and_not_followed(api: str, level: Level, text: str) -> None:
    settings, (found,) = doors(api, {}, None)
    assert (settings, found.level, found.text) == ({}, level, text)
    assert found.advice


@pytest.mark.parametrize(
    ("api", "http"),
    [
        ("http://localhost:8081/", "localhost:8081"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("https://[::1]", "[::1]:443"),
    ],
)
def test_where_no_engine_answers_only_its_address_is_taken(
    api: str, http: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "about", lambda config: None)
    assert elsewhere.doors(api, {"data": str(tmp_path)}, None) == ({"http": http}, [])


def test_with_a_configuration_that_cannot_be_used_its_own_words_are_left_to_it(tmp_path: Path) -> None:
    found = doors("http://127.0.0.1:8081", {"data": str(tmp_path)}, tmp_path / "nowhere.toml")
    assert found == ({"http": "127.0.0.1:8081"}, [])
