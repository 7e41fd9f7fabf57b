"""When a client asks for its next token: before the one in use ends, so that the connection goes on without a break.

Pure but for the clock (`now_s`). How long a token still lives is known from the server's greeting and this machine's
clock. If that is wrong nothing is lost: the server cuts at the second, and the client comes back with a fresh token and
recovers.
"""

from __future__ import annotations

import time

from protocol.messages import AuthSuccess
from protocol.times import SECOND_US, parse_rfc3339

# The last minute, or the last fifth of a token that lives for less than five: time for several tries.
MARGIN_S = 60.0
MARGIN_SHARE = 0.2
# After a token service that did not answer, or a server that did not.
RETRY_S = 5.0


def now_s() -> float:
    """This machine's wall clock."""
    return time.time()


def refresh_after_s(session: AuthSuccess, now: float) -> float | None:
    """How long after the greeting to ask; None: by our clock the token has ended, so our clock is not to be asked."""
    try:
        left = parse_rfc3339(session.expires_at) / SECOND_US - now
    except ValueError:
        return None  # a server that writes times differently; it cuts, and we come back
    return left - min(MARGIN_S, MARGIN_SHARE * left) if left > 0 else None
