"""How much each clue is worth: a robust ridge regression, and what it was off where it had not looked.

Least squares with a penalty (weights near nothing are the baseline again), three times over: what is far off counts
less each time (Huber), so that one bad day does not teach. The errors are those of weights learnt without the days
around: the parts' sums are taken out of the whole's, which costs nothing more than one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from engine.core.analytics.forecast_past import Row, middle

# A fifth of each clue's own sum of squares.
PENALTY = 0.2
PASSES = 3
_TINY = 1e-12

Matrix = list[list[float]]


class Learnt(NamedTuple):
    """Weights of the clues, learnt on all rows, and what each row was off by weights that were learnt without it."""

    weights: list[float]
    errors: list[float]


class _Sums(NamedTuple):
    squares: Matrix
    products: list[float]


def learn(rows: Sequence[Row], order: Sequence[int], parts: int) -> Learnt:
    """`order`: one number a row; rows are left out together in `parts` stretches of it."""
    columns = [list(column) for column in zip(*(row.clues for row in rows), strict=True)]
    offs = [row.off for row in rows]
    trust = [1.0] * len(rows)
    weights: list[float] = []
    for _ in range(PASSES):
        weights = _solved(_summed(columns, offs, trust))
        trust = _trust([abs(off - dot(weights, row.clues)) for off, row in zip(offs, rows, strict=True)])
    return Learnt(weights, _errors_without(rows, columns, trust, _stretches(order, parts)))


def dot(weights: Sequence[float], clues: Sequence[float]) -> float:
    """What all clues together add."""
    return float(sum(map(mul, weights, clues)))


def _errors_without(
    rows: Sequence[Row], columns: Sequence[list[float]], trust: Sequence[float], stretches: Sequence[list[int]]
) -> list[float]:
    parts = [
        _summed(
            [[column[place] for place in places] for column in columns],
            [rows[place].off for place in places],
            [trust[place] for place in places],
        )
        for places in stretches
    ]
    errors = [0.0] * len(rows)
    for number, places in enumerate(stretches):
        weights = _solved(_joined([part for other, part in enumerate(parts) if other != number or len(parts) == 1]))
        for place in places:
            errors[place] = rows[place].off - dot(weights, rows[place].clues)
    return errors


def _stretches(order: Sequence[int], parts: int) -> list[list[int]]:
    numbers = sorted(set(order))
    part_of = {number: place * parts // len(numbers) for place, number in enumerate(numbers)}
    found: dict[int, list[int]] = {}
    for place, number in enumerate(order):
        found.setdefault(part_of[number], []).append(place)
    return list(found.values())


def _trust(errors: Sequence[float]) -> list[float]:
    usual = middle(errors)
    return [1.0 if error <= usual or usual <= 0.0 else usual / error for error in errors]


def _summed(columns: Sequence[Sequence[float]], offs: Sequence[float], trust: Sequence[float]) -> _Sums:
    weighted = [list(map(mul, column, trust)) for column in columns]
    count = len(columns)
    squares = [[0.0] * count for _ in range(count)]
    for i in range(count):
        for j in range(i, count):
            squares[i][j] = squares[j][i] = sum(map(mul, weighted[i], columns[j]))
    return _Sums(squares, [sum(map(mul, column, offs)) for column in weighted])


def _joined(parts: Sequence[_Sums]) -> _Sums:
    tables = zip(*(part.squares for part in parts), strict=True)
    squares = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in tables]
    return _Sums(squares, [sum(cells) for cells in zip(*(part.products for part in parts), strict=True)])


def _solved(sums: _Sums) -> list[float]:
    """Weights by elimination. The penalty keeps every pivot above nothing, except of clues that never said anything."""
    count = len(sums.products)
    rows = [[*row, product] for row, product in zip(sums.squares, sums.products, strict=True)]
    for i in range(count):
        rows[i][i] += PENALTY * rows[i][i]
    for i in range(count):
        if rows[i][i] <= _TINY:
            continue
        for below in rows[i + 1 :]:
            share = below[i] / rows[i][i]
            for j in range(i, count + 1):
                below[j] -= share * rows[i][j]
    weights = [0.0] * count
    for i in reversed(range(count)):
        if rows[i][i] > _TINY:
            weights[i] = (rows[i][count] - sum(rows[i][j] * weights[j] for j in range(i + 1, count))) / rows[i][i]
    return weights
