"""Where the keys are: the configured secret or the data folder's `secret.key`, older secrets, and the JWKS file.

`secret.key` holds one secret a line: the first signs, all verify. So a rotation puts a new line before the old one, and
the old one goes when its last token has ended. The first start makes the file; with a JWKS that is not done, because
then somebody else issues the tokens. Files are changed by putting a complete one in the place of the old. The engine
reads them again when they change (`engine.access.identity`), which is why everything here blocks and nothing is
remembered.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.access.jwks import read_jwks
from engine.access.keys import SECRETS_MAX, Key, KeyRing, secret_key
from engine.configuration.config import Config
from engine.configuration.config_checks import SECRET_MIN_BYTES
from engine.configuration.fields import ConfigError
from engine.configuration.folder import make_folder

KEY_FILE = "secret.key"
# 48 random bytes are 64 characters of base64: enough for HS512 as well.
_KEY_BYTES = 48
_KEY_FILE_MAX_BYTES = 4_096


class Keys(NamedTuple):
    """All keys in force, and what their owner should know about the files."""

    ring: KeyRing
    notes: tuple[str, ...]


class Stamp(NamedTuple):
    """What tells one content of a file from another without reading it."""

    inode: int
    modified_ns: int
    size: int


def load_keys(config: Config, *, make: bool = True) -> Keys:
    """Every key that the configuration leads to; `make`: a key file if there is no key at all. Raises ConfigError."""
    found = read_jwks(Path(config.identity.jwks)) if config.identity.jwks else None
    keys = [
        *_secrets(config, make=make and found is None),
        *_each(_lines(config.identity.previous_secrets.reveal()), "identity.previous_secrets"),
        *(found.keys if found else ()),
    ]
    return Keys(KeyRing(keys), found.notes if found else ())


def key_paths(config: Config) -> tuple[Path, ...]:
    """The files that the keys come from."""
    jwks = (Path(config.identity.jwks),) if config.identity.jwks else ()
    return jwks if config.secret else (config.data / KEY_FILE, *jwks)


def stamps(paths: Sequence[Path]) -> tuple[Stamp | None, ...]:
    """How the files are now; None for one that cannot be looked at."""
    return tuple(_stamp(path) for path in paths)


def signing_keys(config: Config) -> KeyRing:
    """Our own secrets alone, to sign with: none if there is a JWKS and no secret. Raises ConfigError."""
    return KeyRing(_secrets(config, make=not config.identity.jwks))


def has_secret(config: Config) -> bool:
    """Whether there is a secret to sign with, without making one."""
    return bool(config.secret) or (config.data / KEY_FILE).exists()


def make_key_file(folder: Path, name: str) -> None:
    """A file with a secret of its own in the data folder, unless there is one. Raises ConfigError."""
    with _key_file(folder, name) as path:
        make_folder(folder)
        if not path.exists():
            _make_key_file(path)


def read_secrets(folder: Path, name: str) -> list[bytes]:
    """The secrets of such a file, the one to use first; none if there is no file. Raises ConfigError."""
    with _key_file(folder, name) as path:
        return _read_key_file(path) if path.exists() else []


def rotate(data_folder: Path, keep: int) -> list[Key]:
    """Puts a new secret before those of the key file, of which so many go on verifying. Raises ConfigError."""
    with _key_file(data_folder) as path:
        make_folder(data_folder)
        with _locked(data_folder):
            old = _read_key_file(path)[:keep] if path.exists() else []
            new = [_new_secret(), *old]
            _put(path, b"".join(secret + b"\n" for secret in new), path.with_name(f".{KEY_FILE}.new"))
    return _each(new, KEY_FILE)


def _secrets(config: Config, *, make: bool) -> list[Key]:
    if config.secret:
        return _each([config.secret.reveal()], "secret")
    with _key_file(config.data) as path:
        if not path.exists():
            if not make:
                return []
            make_folder(config.data)
            _make_key_file(path)
        return _each(_read_key_file(path), KEY_FILE)


def _each(found: Sequence[bytes], source: str) -> list[Key]:
    keys = []
    for number, secret in enumerate(found, 1):
        try:
            keys.append(secret_key(secret, source if len(found) == 1 else f"{source} line {number}"))
        except ValueError as fault:
            raise ConfigError(source, f"line {number}: {fault}") from None
    return keys


def _lines(text: bytes) -> list[bytes]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_mtime_ns, found.st_size)


@contextmanager
def _key_file(data_folder: Path, name: str = KEY_FILE) -> Iterator[Path]:
    path = data_folder / name
    try:
        yield path
    except OSError as fault:
        key, variable = _setting_of(name)
        raise ConfigError(
            key, f"the key file {path} cannot be used: {fault.strerror}; make it readable, or set {variable}"
        ) from fault


def _read_key_file(path: Path) -> list[bytes]:
    key, _ = _setting_of(path.name)
    with path.open("rb") as file:
        found = _lines(file.read(_KEY_FILE_MAX_BYTES)) or [b""]
    if len(found) > SECRETS_MAX:
        raise ConfigError(key, f"the key file {path} holds {len(found)} secrets, limit {SECRETS_MAX}: drop old ones")
    for secret in found:
        if len(secret) < SECRET_MIN_BYTES:
            lost = "all tokens become invalid" if path.name == KEY_FILE else "what it has sealed is lost"
            raise ConfigError(
                key,
                f"the key file {path} holds {len(secret)} bytes, at least {SECRET_MIN_BYTES} are needed: restore it, "
                f"or remove it to have a new one made ({lost})",
            )
    return found


def _setting_of(name: str) -> tuple[str, str]:
    """The setting that a key file stands for, and its variable."""
    return (
        ("secret", "TOCSIN_SECRET") if name == KEY_FILE else ("notify.sealing_secret", "TOCSIN_NOTIFY_SEALING_SECRET")
    )


def _new_secret() -> bytes:
    return secrets.token_urlsafe(_KEY_BYTES).encode()


def _make_key_file(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, _new_secret() + b"\n")
        try:
            # A link, not a rename: it fails if another process was first, and then that one's key is the key.
            os.link(draft, path)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _put(path: Path, content: bytes, draft: Path) -> None:
    """The file has its old content or its new one, never a part, also after a power cut."""
    draft.unlink(missing_ok=True)
    _write(draft, content)
    draft.replace(path)
    _sync_folder(path.parent)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with _opened_folder(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two rotations at once: the second one keeps the first one's secret."""
    with _opened_folder(folder) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened_folder(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
