"""The machine card: what a figure was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

_VERSIONS = ("tocsin", "trio", "wsproto", "msgspec")
_PEERS = ("websockets", "picows")
_GIT_TIMEOUT_S = 5.0


def machine_card(folder: Path) -> dict[str, Any]:
    """CPU model, usable cores, kernel, Python, versions, commit, and the file system that `folder` (the data) is on."""
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "filesystem": file_system(folder, Path("/proc/mounts")),
        "commit": commit_id(Path(__file__).parent),
        "versions": {name: found for name in (*_VERSIONS, *_PEERS) if (found := version(name))},
    }


def cpu_model(cpuinfo: Path) -> str:
    """The processor's name as the kernel tells it, else its architecture."""
    for line in cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def file_system(folder: Path, mounts: Path) -> str:
    """The type of the file system that a folder is on (`tmpfs`: a commit there is not durable, and far too cheap)."""
    best, kind = "", "unknown"
    for line in mounts.read_text().splitlines() if mounts.exists() else []:
        _, point, found, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def commit_id(folder: Path) -> str:
    """The short commit id of the checkout that `folder` is in, marked when changed; `unknown` outside of one."""
    git = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)  # noqa: S603
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def version(package: str) -> str | None:
    """A package's version, None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
