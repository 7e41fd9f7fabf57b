"""Patterns, and what the last run over a workspace did, as findings of the store; and back again."""

from __future__ import annotations

import msgspec

from engine.stores.findings import Finding
from protocol.patterns import Pattern, PatternRun, PatternState
from protocol.times import parse_rfc3339

PATTERN = "pattern"
RUN = "pattern_run"
# The key of the finding that says what the last run of a workspace did.
LAST_RUN = "last"


def pattern_of(finding: Finding) -> Pattern:
    """The pattern that was kept, with the version that it has in the store."""
    found = msgspec.json.decode(finding.body, type=Pattern)
    return msgspec.structs.replace(found, version=finding.version, state=PatternState(finding.state))


def run_of(finding: Finding | None) -> PatternRun | None:
    """What a run did, as it was kept."""
    return None if finding is None else msgspec.json.decode(finding.body, type=PatternRun)


def finding_of(workspace: str, pattern: Pattern, updated_at: int) -> Finding:
    """A pattern as it is kept."""
    rules = {source.rule_id for source in pattern.sources}
    return Finding(
        workspace=workspace,
        kind=PATTERN,
        key=pattern.id,
        state=pattern.state.value,
        at=parse_rfc3339(pattern.since),
        updated_at=updated_at,
        body=msgspec.json.encode(msgspec.structs.replace(pattern, version=0)).decode(),
        framework=pattern.framework,
        rule_id=rules.pop() if len(rules) == 1 else None,
        sort=pattern.kind.value,
        score=pattern.confidence,
        version=pattern.version,
    )


def run_finding(workspace: str, run: PatternRun, until: int) -> Finding:
    """What a run did, as it is kept."""
    body = msgspec.json.encode(run).decode()
    return Finding(workspace=workspace, kind=RUN, key=LAST_RUN, state="done", at=until, updated_at=until, body=body)
