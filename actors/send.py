"""A non-blocking `send` that keeps the GIL.

`socket.send` gives the GIL away for each call: beside one busy thread the last of 1,000 clients then waited 5 s
(measured). libc's `send` through `ctypes.PyDLL` does not. Contract of a Send: `send(fd, data, size, flags)` gives the
bytes written, or -1 and leaves the errno in `ctypes.get_errno()`; it never raises and, with FLAGS, never waits. The
libc function has this contract as it is, so that there is no wrapper around each of a thousand calls.

Whoever was not told that all bytes are written offers the same ones again, at least the first PIECE_MAX_BYTES of them:
a Send may have them on their way already, changed (TLS: `actors/tls.py`).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable
from typing import cast

# What is joined for one call can give way no more, and at that size the call's own cost no longer counts.
PIECE_MAX_BYTES = 65_536
FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
WOULD_BLOCK = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS})

Send = Callable[[int, bytes, int, int], int]


def libc_send() -> Send:
    """libc's own. Raises OSError or AttributeError where there is none."""
    function = ctypes.PyDLL(None, use_errno=True).send
    # Without `argtypes` an int goes as C int and bytes as char*, widened as the ABI says: right for every size that a
    # frame can have, and 0.25 µs of the 0.6 µs that a call costs are saved.
    return cast("Send", function)


def socket_send(fd: int, data: bytes, size: int, flags: int) -> int:
    """The same contract where there is no libc to call: gives the GIL away, otherwise equal."""
    try:
        with socket.socket(fileno=os.dup(fd)) as duplicate:
            return duplicate.send(memoryview(data)[:size], flags)
    except OSError as error:  # of the send, or of the duplicate when descriptors have run out
        ctypes.set_errno(error.errno or errno.EIO)
        return -1


def choose_send() -> Send:
    """The best one there is."""
    try:
        return libc_send()
    except (OSError, AttributeError):
        return socket_send
