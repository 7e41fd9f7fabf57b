"""Reads a file that an operator named: whole, or not at all if it is larger than such a file is."""

from __future__ import annotations

from pathlib import Path

from engine.configuration.fields import ConfigError


def read_bounded(path: Path, max_bytes: int, setting: str, kind: str) -> bytes:
    """What is in it. Raises ConfigError, which says which `kind` of file the setting wants."""
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as fault:
        raise ConfigError(setting, f"{path} cannot be read: {fault.strerror}; name a readable {kind} file") from fault
    if len(content) > max_bytes:
        raise ConfigError(setting, f"{path} is larger than {max_bytes} bytes; name a {kind} file")
    return content
