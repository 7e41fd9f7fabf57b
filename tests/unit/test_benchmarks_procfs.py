"""A process as the kernel sees it, from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.control import BenchmarkError
from benchmarks.procfs import usage


def test_a_file_that_is_opened_is_one_descriptor_more(tmp_path: Path):
    before = usage(os.getpid())
    with (tmp_path / "f").open("w"):
        assert usage(os.getpid()).open_files == before.open_files + 1
    assert usage(os.getpid()).open_files == before.open_files


def test_fields_are_counted_behind_a_name_with_spaces_and_brackets(tmp_path: Path):
    folder = tmp_path / "7"
    (folder / "fd").mkdir(parents=True)
    fields = ["0"] * 50
    fields[14 - 3], fields[15 - 3], fields[20 - 3] = "150", "50", "4"
    (folder / "statm").write_text("9000 1000 300 1 0 600 0\n")
    (folder / "stat").write_text(f"7 (a) 1 (b) {' '.join(fields)}\n")
    found = usage(7, tmp_path)
    assert found.cpu_s == 200 / os.sysconf("SC_CLK_TCK")
    assert found.threads == 4
    assert found.rss_bytes == 1_000 * os.sysconf("SC_PAGE_SIZE")
    assert found.private_bytes == 700 * os.sysconf("SC_PAGE_SIZE"), "without what is mapped from files"


def test_a_process_that_is_gone_is_no_measurement(tmp_path: Path):
    with pytest.raises(BenchmarkError, match="has it ended"):
        usage(7, tmp_path)
