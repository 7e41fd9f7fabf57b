"""What `pip install` gets: the page where it could be built, and an engine that runs where not."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import trio

from tests.support.engines import ROOT

SHIPPED = ("protocol", "actors", "engine", "tocsin", "benchmarks")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
PAGE = {"engine/http/static/index.html", "engine/http/static/assets/index-abc.js"}
# In the place of make, which builds the page with Node: this one has it ready. That ours builds is seen by `make test`.
MAKE = """#!/bin/sh
[ "$1" = --version ] && echo v20.19.0 && exit
[ "$1" = page ] || exit 2
mkdir -p engine/http/static/assets && cd engine/http/static && echo page >index.html && echo 1 >assets/index-abc.js
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source as it is checked out, without a built page."""
    copy = tmp_path / "source"
    for name in SHIPPED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    (copy / "web").mkdir()
    return copy


def programs(folder: Path, *names: str, **others: str) -> str:
    """A PATH with programs of these names alone, and the shell's own. `others`: such as do something else than ours."""
    folder.mkdir()
    for name, does in (dict.fromkeys(names, MAKE) | others).items():
        (folder / name).write_text(does)
        (folder / name).chmod(0o755)
    for name in ("sh", "mkdir"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return str(folder)


async def a_wheel(source: Path, path: str, **settings: str) -> tuple[set[str], str]:
    """Builds one; its files (none: it failed), and what was said."""
    with trio.fail_after(170):
        done = await trio.run_process(
            [sys.executable, "-W", "ignore", "-c", BUILD, str(source.parent)],
            cwd=source, env=os.environ | {"PATH": path, "PYTHONPATH": ""} | settings,
            capture_stdout=True, capture_stderr=True, check=False,
        )  # fmt: skip
    if done.returncode:
        return set(), done.stderr.decode()
    name = done.stdout.decode().split()[-1]
    with zipfile.ZipFile(source.parent / name) as wheel:
        return set(wheel.namelist()), done.stderr.decode()


async def test_a_wheel_has_the_page_that_was_built_where_node_is(source: Path) -> None:
    packed, _ = await a_wheel(source, programs(source.parent / "bin", "node", "npm", "make"))
    assert packed >= PAGE | {"tocsin/py.typed", "benchmarks/floor.c"}


async def test_a_wheel_that_is_built_without_node_has_all_but_the_page_and_says_so(source: Path) -> None:
    packed, said = await a_wheel(source, programs(source.parent / "bin", "make"))
    assert not packed & PAGE
    assert "engine/http/dashboard.py" in packed
    assert "the page is not built, as there is no node, npm here" in said


async def test_a_wheel_that_is_built_with_a_node_that_is_too_old_has_all_but_the_page_and_says_so(source: Path) -> None:
    path = programs(source.parent / "bin", "npm", "make", node="#!/bin/sh\necho v20.18.3\n")
    packed, said = await a_wheel(source, path)
    assert "engine/http/dashboard.py" in packed
    assert not packed & PAGE
    assert "node is v20.18.3, and it needs 20.19 or newer" in said


async def test_a_page_that_cannot_be_built_gives_no_wheel_unless_it_is_left_out_on_purpose(source: Path) -> None:
    path = programs(source.parent / "bin", "node", "npm", make="#!/bin/sh\necho no such part >&2\nexit 1\n")
    packed, said = await a_wheel(source, path)
    assert not packed
    assert "no such part" in said
    assert "the page could not be built" in said
    packed, said = await a_wheel(source, path, TOCSIN_WITHOUT_PAGE="1")
    assert "engine/http/dashboard.py" in packed
    assert "TOCSIN_WITHOUT_PAGE is set" in said


async def test_an_archive_without_the_folder_web_is_packed_with_the_page_that_it_has(source: Path) -> None:
    (source / "web").rmdir()
    (source / "engine/http/static/assets").mkdir(parents=True)
    for name in PAGE:
        (source / name).write_text("as it came")
    packed, said = await a_wheel(source, programs(source.parent / "bin"))
    assert packed >= PAGE
    assert "page" not in said
