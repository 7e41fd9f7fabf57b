"""The inputs that taught the fuzzer something: a file a target, base64 lines, so that a diff shows what changed."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "vectors" / "fuzz"


def load(target: str) -> list[bytes]:
    """The inputs of a target."""
    return [base64.b64decode(line) for line in (FOLDER / f"{target}.txt").read_text().splitlines()]


def save(target: str, inputs: Iterable[bytes]) -> None:
    """Replaces the inputs of a target."""
    lines = sorted(base64.b64encode(each).decode() for each in {*inputs})
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))
