"""Three nodes as processes on one Postgres and one Redis, clients behind a balancer, and faults in turn.

What must hold, whatever happens: every trigger that was answered is stored, one alert for each key; offsets are dense;
every client has heard every offset of its stream exactly once; after a fault is over nobody waits for longer than the
run's bound, for an answer or for an event; each alert that somebody has to be told of was posted; no part was started
again and no command was set aside. `ringing.py` and `watching.py` say what is rung and who follows, `faults.py` what
fails, `reckoning.py` holds the store, the nodes and the posts against what clients were told, `report.py` says it in
words.

`python -m tests.support.chaos` is the long form (`make chaos`, five minutes); with `--calm` nothing fails, and it is
asked whether one trigger a second is answered and heard within 100 ms (`make calm`, an hour).
"""

from tests.support.chaos.run import Chaos, a_chaos
from tests.support.chaos.sizes import LONG, SHORT, Size

__all__ = ["LONG", "SHORT", "Chaos", "Size", "a_chaos"]
