import gzip
import threading
import tracemalloc
import zlib
from itertools import count, repeat

import pytest

from labeling.remote.wire.guard import CallUnderWay, Guard, bounded
from labeling.remote.wire.policy import MIB, Policy, UnboundedError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def call_of(most_bytes=MIB, clock=None, n_sent=0, **policy):
    return CallUnderWay(Policy(**policy), most_bytes, n_sent, clock or Clock())


def read(pieces, encoding="identity", **call):
    return b"".join(bounded(iter(pieces), encoding, call_of(**call)))


# What a body may hold


TEXT = b'{"a": "' + b"x" * 1000 + b'"}'


@pytest.mark.parametrize("encoding", ["identity", "", "gzip", " GZIP ", "x-gzip", "deflate"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_body_is_what_was_sent_whatever_its_pieces(encoding, size):
    name = encoding.strip().lower()
    body = gzip.compress(TEXT) if name.endswith("gzip") else zlib.compress(TEXT) if name == "deflate" else TEXT
    assert read([body[at : at + size] for at in range(0, len(body), size)], encoding) == TEXT


def test_a_gzip_bomb_ends_at_the_limit_in_constant_memory():
    bomb = gzip.compress(bytes(64 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(UnboundedError, match="more than 1 MiB"):
            max(map(len, bounded(iter([bomb]), "gzip", call_of(MIB))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MIB


def test_an_endless_body_ends_at_the_limit():
    with pytest.raises(UnboundedError, match="more than 100 bytes: expected a reply of at most 100 bytes"):
        read(repeat(b"x" * 10), most_bytes=100)


def test_a_body_of_just_the_limit_is_read():
    assert len(read([b"x" * 100], most_bytes=100)) == 100


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_an_encoding_that_nobody_asked_for_is_refused(encoding):
    with pytest.raises(UnboundedError, match="encoding"):
        read([b"x"], encoding)


BROKEN = {
    "not gzip": b"not gzip",
    "without its end": gzip.compress(TEXT)[:-9],
    "its start alone": gzip.compress(TEXT)[:12],
    "empty": b"",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_gzip_is_no_reply(body):
    with pytest.raises(ValueError, match=r"gzip|breaks off"):
        read([body], "gzip")


# How long a call may take


def test_a_drip_ends_when_the_time_is_over():
    clock = Clock()

    def drip():
        for _ in count():
            clock.now += 1
            yield b" "

    with pytest.raises(UnboundedError, match="no complete reply within 60 seconds"):
        read(drip(), clock=clock, seconds=60, bytes_per_second=1000)
    assert 60 < clock.now < 62


def test_a_large_file_that_keeps_coming_gets_the_time_that_it_needs():
    clock = Clock()

    def stream():
        for _ in range(100):
            clock.now += 1
            yield b"x" * 2000

    assert len(read(stream(), clock=clock, seconds=10, bytes_per_second=1000)) == 200_000


def test_a_file_that_is_sent_counts_too():
    assert call_of(n_sent=5000, seconds=10, bytes_per_second=1000).seconds_left == 15


def test_the_outcome_of_the_work_is_passed_on():
    guard = Guard(Policy())
    assert guard.run(lambda: 5, MIB) == 5
    with pytest.raises(TimeoutError, match="its own"):
        guard.run(lambda: (_ for _ in ()).throw(TimeoutError("its own")), MIB)


def test_work_that_does_not_end_is_left():
    ends = threading.Event()
    with pytest.raises(UnboundedError, match="no complete reply"):
        Guard(Policy(seconds=0.05)).run(lambda: ends.wait(600), MIB)
    ends.set()


class Response:
    """As httpx gives it to a hook."""

    def __init__(self, body, **headers):
        self.headers, self.body = headers, body

    def iter_raw(self, chunk_size=None):
        return iter([self.body])


def test_the_hook_bounds_a_response_and_leaves_nothing_to_decompress():
    guard, response = Guard(Policy()), Response(gzip.compress(TEXT), **{"content-encoding": "gzip"})

    def work():
        guard.watch(response)
        return b"".join(response.iter_raw())

    assert guard.run(work, MIB) == TEXT
    assert response.headers == {}
    with pytest.raises(UnboundedError):
        guard.run(lambda: (guard.watch(plain := Response(TEXT)), b"".join(plain.iter_raw())), 10)
