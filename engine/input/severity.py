"""Foreign words for severity, mapped to ours by one table.

Every door and the service use it, so that a pager's `page`, a monitor's `minor` and the reference's `HIGH` mean the
same wherever they enter. An unknown word never loses an alert: it becomes a warning, and the caller keeps the
original (in the label `severity`), where a person can see what was meant. Decided against: guessing from parts of
words (`hi-crit-2`), which would be right often enough to be trusted and wrong when it matters.
"""

from __future__ import annotations

from functools import lru_cache

from protocol.model import Severity

_WORDS: dict[Severity, str] = {
    Severity.INFO: "info informational information notice minor low debug trace ok none p4 p5 sev4 sev5",
    Severity.WARNING: "warning warn medium moderate average p3 sev3",
    Severity.ERROR: "error err major high severe p2 sev2",
    Severity.CRITICAL: "critical crit fatal emergency emerg alert page disaster panic p1 p0 sev1 sev0",
}
SEVERITIES: dict[str, Severity] = {word: severity for severity, words in _WORDS.items() for word in words.split()}


@lru_cache(maxsize=1_000)
def parse_severity(word: str) -> tuple[Severity, str | None]:
    """What a word means (case and surrounding space do not matter), and the word itself if it is not one of ours.

    `critical` → (CRITICAL, None); `page` → (CRITICAL, "page"); `purple` → (WARNING, "purple"). The empty word says
    nothing: (WARNING, None).
    """
    plain = word.strip().lower()
    severity = SEVERITIES.get(plain, Severity.WARNING)
    return severity, None if plain in ("", severity.value) else word
