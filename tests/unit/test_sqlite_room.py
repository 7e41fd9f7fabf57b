"""A start on a full disk: it is told, not survived."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.configuration.config import Config
from engine.stores import open_store
from engine.stores.sqlite.room import ROOM_MIN_BYTES, be_ready
from protocol.errors import NotYet
from tocsin.commands import serve

FULL = "is full: 7.0 MiB are free, a start needs 8; make room"
MIB = 1 << 20


class Disk:
    """What the system says of every disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Path] = []
        self.now = {"f_frsize": MIB, "f_blocks": 100, "f_bfree": 7, "f_bavail": 7}
        monkeypatch.setattr(os, "statvfs", self._statvfs)

    def _statvfs(self, path: str | Path) -> SimpleNamespace:
        self.asked.append(Path(path))
        return SimpleNamespace(**self.now)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_a_store_on_a_full_disk_is_not_opened_and_nothing_is_made_there(tmp_path: Path, full: Disk) -> None:
    with pytest.raises(NotYet, match=FULL):
        async with open_store(str(tmp_path / "new" / "tocsin.db")):
            raise AssertionError("it was opened")
    assert list(tmp_path.iterdir()) == []
    assert full.asked == [tmp_path]


@pytest.mark.parametrize(
    ("said", "user"),
    [
        ({"f_bfree": ROOM_MIN_BYTES // MIB, "f_bavail": ROOM_MIN_BYTES // MIB}, 1000),
        ({"f_bfree": 50}, 0),  # kept back for root
        ({"f_blocks": 0, "f_bfree": 0, "f_bavail": 0}, 1000),  # knows nothing of its size
    ],
)
def test_a_disk_with_room_for_this_user_is_none_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Disk, said: dict[str, int], user: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    full.now |= said
    be_ready(str(tmp_path / "tocsin.db"))


def test_what_is_kept_back_for_root_is_no_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Disk
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    full.now["f_bfree"] = 50
    with pytest.raises(NotYet, match=FULL):
        be_ready(str(tmp_path / "tocsin.db"))


@pytest.mark.parametrize("url", ["memory:", "mysql://db/tocsin"])
def test_what_is_no_file_needs_no_room(url: str, full: Disk) -> None:
    be_ready(url)
    assert full.asked == []


def test_a_disk_that_cannot_be_asked_is_left_to_whoever_opens_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "statvfs", fail)
    be_ready(str(tmp_path / "tocsin.db"))


def test_serve_waits_for_room_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], full: Disk
) -> None:
    def pauses() -> Iterator[None]:
        yield
        full.now |= {"f_bfree": 9, "f_bavail": 9}
        yield

    each = pauses()
    monkeypatch.setattr(serve.time, "sleep", lambda s: next(each))
    serve._wait_for_others(Config(data=tmp_path), 60)
    said = capsys.readouterr().err
    assert said.count("waiting, ") == 1
    assert FULL in said
    assert len(full.asked) == 3
