"""The key file: made once, several secrets in it, rotated without an outage; which keys a configuration has."""

import multiprocessing
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from engine.access.key_files import KEY_FILE, key_paths, load_keys, rotate, signing_keys, stamps
from engine.access.keys import KeyRing
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError, Secret
from engine.configuration.settings import effective
from engine.sections.identity import Identity
from tests.support.keys import PEM, jwk, jwks, secret_of


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def secrets_of(ring: KeyRing) -> list[bytes]:
    return [key.material for key in ring.keys]


def test_the_first_start_makes_a_key_file_that_only_its_owner_reads(tmp_path):
    folder = tmp_path / "new" / "data"
    secret = secret_of(folder)
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (len(secret), path.read_bytes()) == (64, secret + b"\n")
    assert secret_of(folder) == secret
    assert names(folder) == [KEY_FILE]


def test_of_two_processes_that_start_together_both_use_the_same_key(tmp_path):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("forkserver")) as pool:
        secrets = set(pool.map(secret_of, [tmp_path] * 8))
    assert len(secrets) == 1
    assert names(tmp_path) == [KEY_FILE]


def test_a_process_that_comes_second_takes_the_firsts_key(tmp_path, monkeypatch):
    first = b"the key that another process made at the same moment"

    def link(draft, path):
        path.write_bytes(first)
        raise FileExistsError

    monkeypatch.setattr(os, "link", link)
    assert secret_of(tmp_path) == first
    assert names(tmp_path) == [KEY_FILE]


def test_a_short_key_file_is_refused_with_a_remedy_and_kept(tmp_path):
    (tmp_path / KEY_FILE).write_bytes(b"short\n")
    with pytest.raises(ConfigError, match="holds 5 bytes, at least 32 are needed: restore it, or remove it"):
        secret_of(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == b"short\n"


def test_a_key_file_that_cannot_be_read_or_made_is_refused_with_a_remedy(tmp_path):
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(ConfigError, match="cannot be used: Is a directory; make it readable, or set TOCSIN_SECRET"):
        secret_of(tmp_path)


@pytest.mark.parametrize("below", ["file", "file/data"])
def test_a_data_folder_that_cannot_take_a_key_file_is_to_blame_and_not_the_secret(tmp_path, below, monkeypatch):
    # From here its name is short: of a long one the error says the beginning.
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(ConfigError, match=r"^data: '.*' cannot be used \(it is not a folder\): use a folder"):
        secret_of(Path(below))


def test_the_configured_secret_comes_before_the_key_file(tmp_path):
    assert secrets_of(signing_keys(Config(data=tmp_path, secret=Secret("s" * 32)))) == [b"s" * 32]
    assert names(tmp_path) == []
    assert secrets_of(signing_keys(Config(data=tmp_path))) == [(tmp_path / KEY_FILE).read_bytes().strip()]


def a_config(folder: Path, **identity: object) -> Config:
    return Config(data=folder, identity=Identity(**identity))


def test_a_rotation_puts_a_new_secret_first_and_keeps_the_old_one_for_a_while(tmp_path):
    first = secret_of(tmp_path)
    kids = [key.kid for key in rotate(tmp_path, keep=1)]
    second, kept = secrets_of(load_keys(a_config(tmp_path)).ring)
    assert kept == first != second
    assert [key.kid for key in load_keys(a_config(tmp_path)).ring.keys] == kids
    assert secret_of(tmp_path) == second, "the first line signs"
    rotate(tmp_path, keep=1)
    assert first not in secrets_of(load_keys(a_config(tmp_path)).ring)
    assert len(rotate(tmp_path, keep=0)) == 1
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert names(tmp_path) == [KEY_FILE]


def test_a_rotation_without_a_key_file_makes_one(tmp_path):
    assert len(rotate(tmp_path / "new", keep=1)) == 1


def rotate_here(folder: Path) -> None:
    rotate(folder, keep=7)


def test_of_rotations_at_once_none_loses_the_other_ones_secret(tmp_path):
    first = secret_of(tmp_path)
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("forkserver")) as pool:
        list(pool.map(rotate_here, [tmp_path] * 6))
    found = secrets_of(load_keys(a_config(tmp_path)).ring)
    assert (len(found), found[-1]) == (7, first)


def test_a_rotation_that_ended_half_way_does_not_hinder_the_next(tmp_path):
    secret_of(tmp_path)
    (tmp_path / f".{KEY_FILE}.new").write_text("half a")
    assert len(rotate(tmp_path, keep=1)) == 2
    assert names(tmp_path) == [KEY_FILE]


def test_previous_secrets_verify_and_do_not_sign(tmp_path):
    identity = Identity(previous_secrets=Secret("older " * 6 + "\n\n" + "oldest " * 6))
    ring = load_keys(Config(data=tmp_path, secret=Secret("s" * 32), identity=identity)).ring
    assert [key.source for key in ring.keys] == [
        "secret",
        "identity.previous_secrets line 1",
        "identity.previous_secrets line 2",
    ]
    assert ring.signing is ring.keys[0]
    assert "older" not in repr(ring)


def test_a_short_previous_secret_is_no_setting(tmp_path):
    with pytest.raises(ConfigError, match="one secret a line, each of at least 32 bytes") as caught:
        a_config(tmp_path, previous_secrets=Secret("x" * 32 + "\nshort"))
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("lines", [["x" * 40, "short"], ["x" * 32 + str(n) for n in range(9)]])
def test_a_key_file_with_a_bad_line_or_too_many_is_refused(tmp_path, lines):
    (tmp_path / KEY_FILE).write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"holds 5 bytes|holds 9 secrets, limit 8"):
        load_keys(a_config(tmp_path))


def test_a_secret_that_is_a_public_key_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="this is a public or private key, not a shared secret") as caught:
        load_keys(Config(data=tmp_path, secret=Secret(PEM.decode())))
    assert "BEGIN" not in str(caught.value)


def test_with_a_key_set_no_secret_is_made_and_one_that_is_there_counts(tmp_path):
    (tmp_path / "set.json").write_bytes(jwks(jwk("RS256", "a")))
    config = a_config(tmp_path, jwks=str(tmp_path / "set.json"))
    assert [key.kid for key in load_keys(config).ring.keys] == ["a"]
    assert not (tmp_path / KEY_FILE).exists()
    assert signing_keys(config).signing is None
    secret_of(tmp_path)
    assert [key.is_secret for key in load_keys(config).ring.keys] == [True, False]
    assert key_paths(config) == (tmp_path / KEY_FILE, tmp_path / "set.json")


def test_files_that_change_look_different_and_files_that_are_gone_do_too(tmp_path):
    path = tmp_path / "file"
    assert stamps([path]) == (None,)
    path.write_text("a")
    first = stamps([path])
    os.utime(path, ns=(0, 1))
    assert stamps([path]) != first
    assert stamps([path]) == stamps([path])


def test_secrets_are_masked_in_the_printed_configuration(tmp_path):
    config = a_config(tmp_path, previous_secrets=Secret("zyxwvu " * 6))
    assert "zyxwvu" not in effective(config)
    assert '# previous_secrets = "********"' in effective(config)
