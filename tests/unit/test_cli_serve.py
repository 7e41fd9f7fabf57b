"""What `serve` does with signals, and what it tells a person at the start."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.configuration.config import Config
from engine.configuration.fields import Secret
from tocsin.commands import serve
from tocsin.commands.options import DEFAULT_API, DEFAULT_URL
from tocsin.commands.welcome import welcome_text

# By how long they are good: one for programs, one in the link.
TOKENS = {86_400: "eyJ-the-token", 3_600: "eyJ-the-short-one"}


class Ended(Exception):
    """The process would have ended."""


@pytest.fixture
def no_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr("os._exit", end)


async def test_the_first_signal_drains_and_the_second_ends_at_once(no_exit: None) -> None:
    running = trio.CancelScope()
    with pytest.RaisesGroup(pytest.RaisesExc(Ended, match="143")):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve._end_on_signal, running)
            signal.raise_signal(signal.SIGTERM)
            await wait_all_tasks_blocked()
            assert running.cancel_called
            signal.raise_signal(signal.SIGTERM)


async def test_a_drain_ends_after_ten_seconds_at_the_latest(
    no_exit: None, autojump_clock: MockClock, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Ended, match="70")):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve._end_on_signal, trio.CancelScope())
            signal.raise_signal(signal.SIGINT)
    assert trio.current_time() >= serve.DRAIN_MAX_S
    assert "still running 10 s after the signal" in capfd.readouterr().err


def engine(ws: str = DEFAULT_URL, http: str = DEFAULT_API, **settings: Any) -> Any:
    """What the welcome reads of an engine."""
    tokens = SimpleNamespace(issue_token=lambda workspace, user, ttl_s: TOKENS[ttl_s])
    return SimpleNamespace(config=Config(**settings), ws_url=ws, http_url=http, **vars(tokens))


def welcome(monkeypatch: pytest.MonkeyPatch, started_as: Path, of: Any) -> list[str]:
    monkeypatch.setattr(sys, "argv", [str(started_as)])
    return [line.strip() for line in welcome_text(of).splitlines()]


def test_with_the_defaults_the_commands_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = welcome(monkeypatch, tmp_path / ".venv/bin/tocsin", engine())
    assert f"cd {tmp_path}" in lines
    assert ".venv/bin/tocsin tail" in lines
    assert "export TOCSIN_TOKEN=eyJ-the-token" in lines
    assert lines[-1] == "http://127.0.0.1:8080/#token=eyJ-the-short-one"


def test_a_machine_that_is_watched_can_be_made_to_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any("host-cpu" in line for line in welcome(monkeypatch, tmp_path / "tocsin", engine()))
    unwatched = engine(watch_host=False)
    assert not any("host-cpu" in line for line in welcome(monkeypatch, tmp_path / "tocsin", unwatched))


def test_a_command_on_the_path_is_named_as_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "tocsin"
    program.touch()
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    assert "tocsin tail" in welcome(monkeypatch, program, engine())


def test_what_is_not_the_default_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    of = engine("ws://127.0.0.1:4000", "http://127.0.0.1:4001", data=tmp_path / "my data")
    lines = welcome(monkeypatch, tmp_path / "a b/tocsin", of)
    variables = "TOCSIN_DATA='my data' TOCSIN_URL=ws://127.0.0.1:4000 TOCSIN_API=http://127.0.0.1:4001"
    assert f"{variables} 'a b/tocsin' tail" in lines


def test_a_data_folder_elsewhere_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    lines = welcome(monkeypatch, tmp_path / "here/tocsin", engine(data=tmp_path))
    assert f"TOCSIN_DATA={tmp_path} tocsin tail" in lines


def test_with_a_secret_of_its_own_the_other_terminal_needs_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = welcome(monkeypatch, tmp_path / "tocsin", engine(secret=Secret("x" * 40)))
    assert lines.count("export TOCSIN_TOKEN=…  (the line below)") == 2


def test_python_m_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = welcome(monkeypatch, tmp_path / "tocsin/__main__.py", engine())
    assert f"{sys.executable} -m tocsin tail" in lines
