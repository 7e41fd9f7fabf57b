"""`tocsin audit --help` says what is on record: all changes, not administrators' alone."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tocsin.commands.audit import audit


@pytest.mark.parametrize("word", ["acknowledged", "create", "import", "silences", "workflows", "revoke", "broadcast"])
def test_the_help_names_every_kind_of_change(word: str) -> None:
    assert word in CliRunner().invoke(audit, ["--help"]).output
