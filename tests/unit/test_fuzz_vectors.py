"""What the fuzzer has learned stays tried: every input of its corpus against the target that it was found with."""

from __future__ import annotations

import pytest

from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_escapes_that_the_fuzzer_has_tried(name: str) -> None:
    inputs = corpus.load(name)
    assert len(inputs) > 10
    for data in inputs:
        TARGETS[name](data)
