"""Configurations that are read, and those that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.configuration.fields import ConfigError
from engine.configuration.settings import load

GOOD_SECRET = "correct horse battery staple, twice over"


def write(folder: Path, text: str) -> Path:
    path = folder / "tocsin.toml"
    path.write_text(text)
    return path


def refused(**arguments) -> str:
    arguments.setdefault("environ", {})
    with pytest.raises(ConfigError) as caught:
        load(**arguments)
    return str(caught.value)
