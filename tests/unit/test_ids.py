"""Ids grow, whatever the clock does, and are UUIDv7."""

import threading
import time
import uuid

from engine.ids import IdSource, new_id, now_us


def test_an_id_is_a_uuid_of_version_7_and_says_its_millisecond():
    made = uuid.UUID(IdSource(clock=lambda: 1_700_000_000_123_456)())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_700_000_000_123


def test_the_bits_below_the_millisecond_are_its_fraction():
    made = uuid.UUID(IdSource(clock=lambda: 1_000_500)())
    assert made.int >> 64 & 0xFFF == 2048


def test_ids_grow_while_the_clock_stands_still_and_when_it_is_set_back():
    times = iter([5_000_000] * 10_000 + [1_000_000] * 10)
    source = IdSource(clock=lambda: next(times))
    made = [source() for _ in range(10_010)]
    assert made == sorted(set(made))


def test_the_random_bits_are_all_used_and_nothing_else():
    made = uuid.UUID(IdSource(clock=lambda: 0, entropy=lambda bits: 2**bits - 1)())
    assert str(made).endswith("-bfff-ffffffffffff")


def test_threads_never_get_the_same_id():
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([new_id() for _ in range(500)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2_000


def test_now_is_in_microseconds():
    assert abs(now_us() - time.time() * 1e6) < 5e6
