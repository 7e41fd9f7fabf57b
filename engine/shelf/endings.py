"""Objects that are over: silences, and maintenance windows that came once. Kept for the record, then deleted.

Asked now and then by the engine's upkeep. What is over holds for nothing any more, but it counts in how many of its
kind a workspace may have: after a while nobody could silence anything. So it goes when it has been over for a while;
its history stays (`GET ../{id}/versions`), and the deletion is a line of the audit trail, made by nobody. Who changes
one meanwhile (it ends later now) wins: each is deleted only in the version that was over.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.stores.objects import ChangeStatus, ObjectChange, ObjectStore, StoredObject

# A few milliseconds of the store's writer, for which everybody else's commits wait.
FORGOTTEN_AT_ONCE = 200


async def forget_over(store: ObjectStore, before: int, now: int) -> int:
    """Deletes what was over before then (microseconds); how many. Raises StoreUnavailable."""
    total = 0
    while found := await store.objects_over(before, FORGOTTEN_AT_ONCE):
        outcomes = await store.change_objects(_deletions(found, now))
        gone = sum(outcome.status is ChangeStatus.DONE for outcome in outcomes)
        total += gone
        # Where somebody was faster with each of them we would go round for ever: the next turn looks again.
        if not gone or len(found) < FORGOTTEN_AT_ONCE:
            break
    return total


def _deletions(found: Sequence[StoredObject], now: int) -> list[ObjectChange]:
    return [
        ObjectChange(
            workspace=each.workspace,
            kind=each.kind,
            id=each.id,
            body=None,
            by="",
            at=now,
            verb=f"forget_{each.kind}",
            expected_version=each.version,
        )
        for each in found
    ]
