"""`make` with a Python that is too old says so before it creates anything; and where `make run` keeps its data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make_venv(folder: Path, version: tuple[int, int, int]) -> subprocess.CompletedProcess[str]:
    """Runs the rule with a Python that claims this version, and only writes down what it should have made."""
    python = folder / "python"
    number = ".".join(map(str, version))
    claim = f"import sys; sys.version_info = {version}; sys.version = '{number} (main)'; exec(sys.argv[1])"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "{claim}" "$2"\necho "$@" > {folder}/made\n'
    )
    python.chmod(0o755)
    venv = folder / "venv"
    return subprocess.run(
        ["make", "-C", str(ROOT), f"PYTHON={python}", f"VENV={venv}", f"{venv}/bin/pip"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", [(3, 10, 12), (2, 7, 18)])
def test_make_refuses_an_old_python_with_one_sentence_and_creates_nothing(tmp_path, version):
    done = make_venv(tmp_path, version)
    assert done.returncode != 0
    assert "Tocsin needs Python 3.11 or newer" in done.stderr.splitlines()[0]
    assert f" is {'.'.join(map(str, version))}:" in done.stderr.splitlines()[0]
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 1)])
def test_make_takes_a_python_that_is_new_enough(tmp_path, version):
    assert make_venv(tmp_path, version).returncode == 0
    assert (tmp_path / "made").read_text() == f"-m venv {tmp_path}/venv\n"


@pytest.mark.parametrize(
    ("variables", "words", "folder"),
    [({}, (), "data"), ({"TOCSIN_DATA": "/a"}, (), "/a"), ({"TOCSIN_DATA": "/a"}, ("DATA=/b",), "/b")],
)
def test_make_run_keeps_its_data_where_it_is_told_to(variables, words, folder):
    # The make that may run these tests hands its own words on in MAKEFLAGS.
    ours = {"DATA", "MAKEFLAGS", "TOCSIN_DATA"}
    rest = {name: value for name, value in os.environ.items() if name not in ours}
    told = subprocess.run(
        ["make", "-C", str(ROOT), "--dry-run", "run", *words],
        env=rest | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"TOCSIN_DATA={folder} .venv/bin/tocsin serve" in told.stdout
