"""A plot as SVG, written by hand: bars, whiskers from minimum to maximum, a line at the target. No library needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from benchmarks.measure import Spread


class Bar(NamedTuple):
    """One row of a plot."""

    label: str
    spread: Spread


_ROW, _LABEL, _PLOT, _TOP = 26, 250, 460, 56


def draw(title: str, caption: str, bars: Sequence[Bar], target: float | None) -> str:
    """An SVG document of 760 pixels' width."""
    top = max([bar.spread.high for bar in bars] + [target or 0.0, 1e-9]) * 1.12
    height = _TOP + _ROW * len(bars) + 34

    def x(value: float) -> float:
        return round(_LABEL + value / top * _PLOT, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="40" fill="#555">{escape(caption)}</text>',
    ]
    for index, (label, values) in enumerate(bars):
        y = _TOP + index * _ROW
        middle = y + _ROW // 2 - 2
        parts += [
            f'<text x="{_LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LABEL}" y="{y + 3}" width="{x(values.median) - _LABEL:.1f}" height="16" fill="#3b6ea5"/>',
            f'<path d="M{x(values.low)} {middle}H{x(values.high)}" stroke="#e08a1e" stroke-width="3"/>',
            f'<text x="{x(max(values.high, values.median)) + 5:.1f}" y="{middle + 4}">{number(values.median)}</text>',
        ]
    bottom = _TOP + _ROW * len(bars)
    if target is not None:
        parts += [
            f'<path d="M{x(target)} {_TOP - 4}V{bottom + 4}" stroke="#b00020" stroke-dasharray="4 3"/>',
            f'<text x="{x(target)}" y="{bottom + 18}" text-anchor="middle" fill="#b00020">'
            f"target {number(target)}</text>",
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def number(value: float) -> str:
    """A figure for people: thousands apart, and about four digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:,.2f}"
