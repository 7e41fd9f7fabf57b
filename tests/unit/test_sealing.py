"""What is sealed opens with its key, at its place, unchanged; and with nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from engine.configuration.fields import ConfigError
from engine.notify.sealing import SEALING_FILE, Confidential, KeptSecret, Sealer, Unsealable

PLACE = ("acme", "e")
WHAT = Confidential(url="https://hooks.example.com/secret", secrets=(KeptSecret(value="whsec_x", since=7, until=9),))
GIVEN = b"a secret for tests, 32 bytes long or more"


def test_what_is_sealed_opens_at_its_place_and_says_nothing_by_itself(tmp_path: Path) -> None:
    sealer = Sealer(b"", tmp_path)
    sealed = sealer.seal(WHAT, PLACE)
    assert sealer.open(sealed, PLACE) == WHAT
    assert "secret" not in sealed and b"secret" not in base64.urlsafe_b64decode(sealed.rpartition(".")[2])
    assert sealer.open("", PLACE) == Confidential()


def test_the_same_is_never_sealed_in_the_same_way_twice(tmp_path: Path) -> None:
    sealer = Sealer(GIVEN, tmp_path)
    assert len({sealer.seal(WHAT, PLACE) for _ in range(100)}) == 100


@pytest.mark.parametrize("place", [("acme", "f"), ("other", "e"), ("acme/e", "")])
def test_it_opens_nowhere_else(tmp_path: Path, place: tuple[str, str]) -> None:
    sealer = Sealer(GIVEN, tmp_path)
    with pytest.raises(Unsealable, match="changed or moved"):
        sealer.open(sealer.seal(WHAT, PLACE), place)


def test_every_change_of_it_is_noticed(tmp_path: Path) -> None:
    sealer = Sealer(GIVEN, tmp_path)
    sealed = sealer.seal(WHAT, PLACE)
    head, _, text = sealed.rpartition(".")
    whole = base64.urlsafe_b64decode(text)
    for place in range(len(whole)):
        changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises(Unsealable):
            sealer.open(f"{head}.{base64.urlsafe_b64encode(changed).decode()}", PLACE)
    for other in (f"{head}.", f"{head}.a", "v1", "v2" + sealed[2:], "nonsense"):
        with pytest.raises(Unsealable):
            sealer.open(other, PLACE)


def test_the_key_file_is_made_with_the_first_secret_and_is_the_owners_alone(tmp_path: Path) -> None:
    sealer = Sealer(b"", tmp_path)
    path = tmp_path / SEALING_FILE
    assert not path.exists()
    sealed = sealer.seal(WHAT, PLACE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Sealer(b"", tmp_path).open(sealed, PLACE) == WHAT


def test_after_a_rotation_the_new_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    old = Sealer(b"", tmp_path).seal(WHAT, PLACE)
    path = tmp_path / SEALING_FILE
    path.write_bytes(b"n" * 48 + b"\n" + path.read_bytes())
    sealer = Sealer(b"", tmp_path)
    new = sealer.seal(WHAT, PLACE)
    assert old.split(".")[1] != new.split(".")[1]
    assert sealer.open(old, PLACE) == sealer.open(new, PLACE) == WHAT
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(Unsealable, match="restore that key"):
        Sealer(b"", tmp_path).open(old, PLACE)


def test_a_configured_secret_seals_and_the_files_key_still_opens(tmp_path: Path) -> None:
    old = Sealer(b"", tmp_path).seal(WHAT, PLACE)
    sealer = Sealer(GIVEN, tmp_path)
    assert sealer.open(old, PLACE) == WHAT
    assert Sealer(GIVEN, tmp_path / "other").open(sealer.seal(WHAT, PLACE), PLACE) == WHAT


def test_a_key_file_that_cannot_be_used_ends_the_start_and_says_what_is_lost(tmp_path: Path) -> None:
    (tmp_path / SEALING_FILE).write_bytes(b"short\n")
    with pytest.raises(ConfigError, match="what it has sealed is lost") as refused:
        Sealer(b"", tmp_path)
    assert refused.value.key == "notify.sealing_secret"
    (tmp_path / SEALING_FILE).unlink()
    (tmp_path / SEALING_FILE).mkdir()
    with pytest.raises(ConfigError, match="TOCSIN_NOTIFY_SEALING_SECRET"):
        Sealer(b"", tmp_path)
