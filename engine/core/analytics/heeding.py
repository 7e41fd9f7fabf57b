"""Whether somebody has heeded an alert: one definition for counts, patterns and recommendations.

Heeded: somebody acknowledged it, or ended it, and nobody called it noise. Who looks at an alert only to say that it
should not have rung has looked in vain. What kept it from ringing (a silence, a storm) changes nothing: somebody who
acknowledges an alert and then silences it works on it. The store counts by the same words in SQL (`NOBODY`).
"""

from __future__ import annotations

# Who ends alerts by itself and is nobody; None: the alert is open, or expired.
BY_ITSELF = ("rule", "source")
NOBODY = (None, *BY_ITSELF)


def is_heeded(is_noise: bool, taken: object | None, ended_by: str | None) -> bool:
    """Of an alert that people call noise or not, that was `taken` on then (None: never), and that `ended_by` ended."""
    return not is_noise and (taken is not None or ended_by not in NOBODY)
