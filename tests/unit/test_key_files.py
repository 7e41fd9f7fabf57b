"""The key file: made once, several secrets in it, rotated without an outage; which keys a configuration has."""

import multiprocessing
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from engine.config import Config, ConfigError, Secret
from engine.key_files import KEY_FILE, load_or_make_secret, signing_keys
from engine.keys import KeyRing


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def secrets_of(ring: KeyRing) -> list[bytes]:
    return [key.material for key in ring.keys]


def test_the_first_start_makes_a_key_file_that_only_its_owner_reads(tmp_path):
    folder = tmp_path / "new" / "data"
    secret = load_or_make_secret(folder)
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (len(secret), path.read_bytes()) == (64, secret + b"\n")
    assert load_or_make_secret(folder) == secret
    assert names(folder) == [KEY_FILE]


def test_of_two_processes_that_start_together_both_use_the_same_key(tmp_path):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("forkserver")) as pool:
        secrets = set(pool.map(load_or_make_secret, [tmp_path] * 8))
    assert len(secrets) == 1
    assert names(tmp_path) == [KEY_FILE]


def test_a_process_that_comes_second_takes_the_firsts_key(tmp_path, monkeypatch):
    first = b"the key that another process made at the same moment"

    def link(draft, path):
        path.write_bytes(first)
        raise FileExistsError

    monkeypatch.setattr(os, "link", link)
    assert load_or_make_secret(tmp_path) == first
    assert names(tmp_path) == [KEY_FILE]


def test_a_short_key_file_is_refused_with_a_remedy_and_kept(tmp_path):
    (tmp_path / KEY_FILE).write_bytes(b"short\n")
    with pytest.raises(ConfigError, match="holds 5 bytes, at least 32 are needed: restore it, or remove it"):
        load_or_make_secret(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == b"short\n"


def test_a_key_file_that_cannot_be_read_or_made_is_refused_with_a_remedy(tmp_path):
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(ConfigError, match="cannot be used: Is a directory; make it readable, or set TOCSIN_SECRET"):
        load_or_make_secret(tmp_path)


@pytest.mark.parametrize("below", ["file", "file/data"])
def test_a_data_folder_that_cannot_take_a_key_file_is_to_blame_and_not_the_secret(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^data: '.*' cannot be used \(it is not a folder\): use a folder"):
        load_or_make_secret(tmp_path / below)


def test_the_configured_secret_comes_before_the_key_file(tmp_path):
    assert secrets_of(signing_keys(Config(data=tmp_path, secret=Secret("s" * 32)))) == [b"s" * 32]
    assert names(tmp_path) == []
    assert secrets_of(signing_keys(Config(data=tmp_path))) == [(tmp_path / KEY_FILE).read_bytes().strip()]
