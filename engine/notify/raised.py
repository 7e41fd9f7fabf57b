"""What is told of an exception that a sender raised: where, and which, but nothing that it says of itself.

Senders open what endpoints keep sealed: an address, a token, a password. The text of an exception that nobody has
thought of may quote any of it, so it goes nowhere: not into the ledger (who may see the alert reads that), not to the
job (its administrators have no right to secrets either, and the store keeps them sealed), not into the log. The lines
of our own code that it came through are no secret, and say where to look.
"""

from __future__ import annotations

import traceback

from actors.hands import TRACEBACK_MAX_CHARS

# What caused what: beyond so many, the first ones are left out.
CHAIN_MAX = 8


def cause_of(fault: BaseException) -> str:
    """For the ledger and for lists of jobs."""
    return f"the sender failed: {type(fault).__name__}"


def trace_of(fault: BaseException) -> str:
    """A traceback without texts, as long as jobs keep one."""
    chain: list[str] = []
    each: BaseException | None = fault
    while each is not None and len(chain) < CHAIN_MAX:
        frames = "".join(traceback.format_tb(each.__traceback__))
        chain.append(f"Traceback (most recent call last):\n{frames}{type(each).__name__}\n")
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\n".join(reversed(chain))[-TRACEBACK_MAX_CHARS:]
