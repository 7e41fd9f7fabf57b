"""How long many things took: counts in bins that grow with the duration, so that bins of any two times can be added.

Milliseconds below 16 have a bin each; above, each doubling is cut into 16 bins of equal width. So the middle of a bin
is within 1/32 (3.125 %) of all durations in it, whatever they are. All of it is integers and shifts, because the stores
sort durations into bins with SQL (`engine/stores/tables/aggregate_counts.py`) and must agree with what is here to the
last one. Decided against: the bins of `engine/core/rules/sketch.py` (1 %, but by logarithms, which SQLite need not
have); keeping each duration (millions).
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.core.rules.sketch import rank_of

# Bins a doubling: 2 ** FINENESS.
FINENESS = 4
_BINS = 1 << FINENESS
# 34 years: what took longer counts as that.
DURATION_MAX_MS = (1 << 40) - 1
DOUBLINGS = 40 - FINENESS
RELATIVE_ERROR = 1 / (2 * _BINS)


def bin_of(duration_ms: int) -> int:
    """The bin of a duration. Bins are in the order of their durations; what is below nought counts as nought."""
    duration = min(max(duration_ms, 0), DURATION_MAX_MS)
    doubling = max(duration.bit_length() - FINENESS - 1, 0)
    return _BINS * doubling + (duration >> doubling)


def middle_of(number: int) -> float:
    """Milliseconds within `RELATIVE_ERROR` of all durations in this bin."""
    doubling = max(number // _BINS - 1, 0)
    low = (number - _BINS * doubling) << doubling
    return low + ((1 << doubling) - 1) / 2


def percentile(bins: Mapping[int, int], percent: float) -> float | None:
    """A percentile of the durations counted in these bins (nearest rank), in milliseconds; None: there are none."""
    left = rank_of(percent, sum(bins.values()))
    for number in sorted(bins):
        left -= bins[number]
        if left <= 0:
            return middle_of(number)
    return None
