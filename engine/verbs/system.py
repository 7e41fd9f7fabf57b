"""How this process stands: its score, whether it serves, what is wrong by its own figures, and its tree of parts.

Pure. What is found is what `tocsin doctor` finds in the same figures, in the same words: there is one place where it is
decided what a person should look at (`engine/doctor/figures.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.core.health import Health
from engine.doctor.figures import Samples, found_in
from engine.doctor.findings import Finding


class ChildShown(msgspec.Struct, frozen=True, kw_only=True):
    """A part: whether it runs now (else it is being started again), and how often it was restarted."""

    name: str
    running: bool
    restarts: int


class SupervisorShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who restarts these parts, in the order of their start. `strategy`: who is restarted with one that crashed. One
    that is named like a part of another is that part."""

    name: str
    strategy: str
    children: list[ChildShown]


class SystemShown(msgspec.Struct, frozen=True, kw_only=True):
    """This process. `health`: its score, and what took points away; `ready`: a trigger would be acknowledged;
    `overload`: why nobody new may connect (empty: they may); `findings`: what its figures say, and what to do."""

    health: Health
    ready: bool
    overload: str
    findings: list[Finding]
    supervision: list[SupervisorShown]


def supervisor_shown(name: str, strategy: str, children: Mapping[str, Mapping[str, Any]]) -> SupervisorShown:
    """`children`: a supervisor's statistics."""
    return SupervisorShown(
        name=name, strategy=strategy, children=[ChildShown(name=child, **said) for child, said in children.items()]
    )


def system_shown(
    health: Health, is_ready: bool, overload: str, samples: Samples, supervision: Sequence[SupervisorShown]
) -> SystemShown:
    """All of it, as it is now."""
    return SystemShown(
        health=health,
        ready=is_ready,
        overload=overload,
        findings=list(found_in(samples)),
        supervision=list(supervision),
    )
