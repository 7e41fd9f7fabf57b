"""Where commands find an engine's HTTP API."""

from __future__ import annotations

import email.message
import io
import urllib.request
from typing import Any

import pytest

from engine.configuration.fields import ConfigError
from tocsin.commands.api import Api, api_of


class Answer(io.BytesIO):
    """What an engine answers."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.headers = email.message.Message()
        self.headers["Content-Type"] = "application/json"


def an_api(url: str) -> Api:
    return api_of(api=url, token="t", workspace=None, data=None, config_file=None, ca=None)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v1/rules"),
        ("http://[::1]:8080/", "http://[::1]:8080/api/v1/rules"),
        ("https://alerts.example.com/tocsin", "https://alerts.example.com/tocsin/api/v1/rules"),
        ("https://alerts.example.com/a/tocsin//", "https://alerts.example.com/a/tocsin/api/v1/rules"),
    ],
)
def test_a_path_of_the_address_is_kept(monkeypatch: pytest.MonkeyPatch, url: str, asked: str) -> None:
    seen: list[str] = []

    def answer(self: Any, request: urllib.request.Request, **_: Any) -> Any:
        seen.append(request.full_url)
        return Answer(b"{}")

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", answer)
    assert an_api(url).ask("GET", "/api/v1/rules") == {}
    assert seen == [asked]


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ws://127.0.0.1:3008",
        "http://",
        "http://ann@host",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "http://host/?x=1",
        "http://host?",
        "http://host/#top",
        "http://ho st",
    ],
)
def test_what_is_no_address_is_refused_and_told_what_is_one(url: str) -> None:
    with pytest.raises(ConfigError, match="is not allowed: use http://HOST:PORT or https://HOST:PORT, with the path"):
        an_api(url)
