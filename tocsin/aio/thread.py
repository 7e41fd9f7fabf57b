"""A thread in which trio runs, for programs whose own thread belongs to asyncio.

Owns the thread and one nursery; `tocsin.aio.bridge` puts tasks into it. The engine has a thread of its own; the clients
of a process share one, which is there as long as there is a client. Signals stay the host's (trio takes them only in
the main thread), and nothing else of the process is touched: no garbage collector's policy, no logging, no switch
interval. If trio itself crashes here, whoever lives on the thread is told, and `fault` says why.

It is a daemon, so a thread that hangs cannot keep the process from ending; one that does not is ended in good order
when the interpreter exits, if the program did not leave its block before (a loop that was just closed).
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import Any, Protocol

import trio

from engine.configuration.config import STOP_MAX_S

# A trio loop is up within a millisecond or two, so waiting for it blocks nobody; past this the machine is in trouble.
START_MAX_S = 10.0
# What lived here has left by then, so the thread has only to return: at once, unless others keep the machine busy.
JOIN_MAX_S = 10.0


class Resident(Protocol):
    """Something that lives on the thread."""

    async def live(self) -> None:
        """Its life, in trio; must not raise."""

    def abandoned(self, fault: BaseException | None) -> None:
        """The thread is over, whatever became of `live`; called in it as its last act, or by an `adopt` too late."""


class TrioThread:
    """One thread with one trio loop, from `start` to `end`. `clock`: trio's, for tests."""

    def __init__(self, name: str, clock: trio.abc.Clock | None = None) -> None:
        self.fault: BaseException | None = None
        self._clock = clock
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._up = threading.Event()
        self._ending = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        # Between the last look at the residents and the thread's end nobody may come unseen.
        self._lock = threading.Lock()
        self._is_over = False
        self._residents: set[Resident] = set()

    @property
    def is_new(self) -> bool:
        """Whether it was never started."""
        return self._thread.ident is None

    @property
    def is_alive(self) -> bool:
        """Whether somebody can live here."""
        return self._thread.is_alive() and not self._ending.is_set()

    def start(self) -> None:
        """Starts the thread; on return it takes calls. Raises RuntimeError."""
        self._thread.start()
        if not self._up.wait(START_MAX_S) or self._token is None:
            raise RuntimeError(f"no trio loop within {START_MAX_S:g} s: {self.fault!r}")
        atexit.register(self._at_exit)

    def soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Calls it in the trio loop, from any thread; never, if that is over (then `abandoned` has been called)."""
        if self._token is not None:
            try:
                self._token.run_sync_soon(call, *arguments)
            except trio.RunFinishedError:
                return

    def adopt(self, resident: Resident) -> None:
        """Lets it live here; if the thread is over, it is `abandoned` at once. From any thread."""
        with self._lock:
            is_over = self._is_over
            if not is_over:
                self._residents.add(resident)
        if is_over:
            resident.abandoned(self.fault)
        else:
            self.soon(self._settle, resident)

    def forget(self, resident: Resident) -> None:
        """It has left."""
        with self._lock:
            self._residents.discard(resident)

    def end(self, wait: bool = True) -> None:
        """Ends the thread, and with it whoever still lives there. Raises RuntimeError if it is waited for in vain."""
        self.soon(self._ending.set)
        if not wait:
            return
        self._thread.join(JOIN_MAX_S)
        atexit.unregister(self._at_exit)
        if self._thread.is_alive():
            raise RuntimeError(f"the thread {self._thread.name!r} did not end within {JOIN_MAX_S:g} s of being asked")

    def _at_exit(self) -> None:
        self.end(wait=False)
        self._thread.join(STOP_MAX_S)

    def _run(self) -> None:
        try:
            trio.run(self._main, clock=self._clock)
        except BaseException as fault:  # the thread's boundary: told to whoever lives here
            self.fault = fault
        finally:
            self._up.set()
            with self._lock:
                self._is_over = True
                left = list(self._residents)
            for resident in left:
                resident.abandoned(self.fault)

    async def _main(self) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._token = trio.lowlevel.current_trio_token()
            self._up.set()
            try:
                await self._ending.wait()
            finally:
                self._ending.set()
                nursery.cancel_scope.cancel()

    def _settle(self, resident: Resident) -> None:
        # Else the nursery may be closed; `abandoned` follows.
        if self._nursery is not None and not self._ending.is_set():
            self._nursery.start_soon(resident.live)


class SharedThread:
    """The thread of all asyncio clients of this process: started for the first, ended after the last."""

    def __init__(self, name: str) -> None:
        self._name = name
        # Clients may live on several asyncio loops, each in a thread of its own.
        self._lock = threading.Lock()
        self._thread: TrioThread | None = None
        self._users = 0

    def borrow(self) -> TrioThread:
        """A running thread; give it back."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive:
                thread = TrioThread(self._name)
                thread.start()
                self._thread, self._users = thread, 0
            self._users += 1
            return self._thread

    def give_back(self, thread: TrioThread, wait: bool = True) -> None:
        """Somebody is done with it; whether the end of it, if this was the last one, is waited for."""
        with self._lock:
            if thread is not self._thread:
                return  # it broke, and there is another one by now
            self._users -= 1
            if self._users == 0:
                self._thread = None
                thread.end(wait)


CLIENTS = SharedThread("tocsin-clients")
