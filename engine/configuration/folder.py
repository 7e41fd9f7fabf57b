"""The data folder: made at the first start, and known to be writable before anything is promised."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.configuration.config import Config
from engine.configuration.fields import ConfigError


def prepare_data_folder(config: Config) -> None:
    """Makes the data folder and makes sure that it can be written, if anything will stand in it. Raises ConfigError.

    With a given secret and a store elsewhere nothing will, and then it is left alone.
    """
    if not config.secret or not config.store:
        make_folder(config.data)


def make_folder(folder: Path) -> None:
    """Makes a data folder (0700) unless it is there, and writes a nameless file into it. Raises ConfigError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Asking for permissions would not do: root has them all, and yet nobody writes to /sys or a read-only disk.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise unusable_folder(folder, fault) from fault


def unusable_folder(folder: Path, fault: OSError) -> ConfigError:
    """The error that says what to do about a data folder that cannot be used."""
    why = "it is not a folder" if isinstance(fault, FileExistsError | NotADirectoryError) else fault.strerror
    return ConfigError(
        "data",
        f"{str(folder)!r:.80} cannot be used ({why}): use a folder that this user may write, --data or TOCSIN_DATA",
    )
