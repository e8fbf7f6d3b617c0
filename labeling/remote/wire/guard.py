"""Keeps each call within the policy: its time in all, and the size of its reply after decompression.

httpx bounds each pause between two bytes, but neither the whole call nor the size of what it decompresses, so a server
that sends a byte a second, or a few kilobytes that decompress to gigabytes, would hold a run for ever or fill memory.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from labeling.remote.wire.policy import Policy, UnboundedError, show_bytes

T = TypeVar("T")

PIECE = 1 << 16  # most bytes that are decompressed at a time
ENCODINGS = "gzip"  # what is asked for; nothing else can be decompressed in bounded pieces by the standard library


class CallUnderWay:
    """One call: when it must have ended, and how much of its reply has come.

    Args:
        policy: the bounds.
        most_bytes: most bytes of the reply, after decompression.
        n_sent: size of a file that the call sends.
        clock: a clock in seconds that never goes back.
    """

    def __init__(self, policy: Policy, most_bytes: int, n_sent: int, clock: Callable[[], float]) -> None:
        self._policy, self._most_bytes, self._clock = policy, most_bytes, clock
        self._started, self._n_moved, self._n_read = clock(), n_sent, 0

    @property
    def seconds_left(self) -> float:
        """Seconds until the call must have ended; each byte that moves earns it a little more."""
        allowed = self._policy.seconds + self._n_moved / self._policy.bytes_per_second
        return self._started + allowed - self._clock()

    def receive(self, n_bytes: int) -> None:
        """Note bytes as they came over the wire.

        Raises:
            UnboundedError: the call has taken too long.
        """
        self._n_moved += n_bytes
        if self.seconds_left <= 0:
            raise self.late()

    def read(self, n_bytes: int) -> None:
        """Note bytes after decompression.

        Raises:
            UnboundedError: the reply is too large.
        """
        self._n_read += n_bytes
        if self._n_read > self._most_bytes:
            most = show_bytes(self._most_bytes)
            raise UnboundedError(f"a reply of more than {most}", f"a reply of at most {most}")

    def late(self) -> UnboundedError:
        """The error for a call that has taken too long."""
        seconds = f"{self._policy.seconds:g} seconds"
        return UnboundedError(f"no complete reply within {seconds}", f"a complete reply within {seconds}")


class Guard:
    """Runs calls within a policy; shared by the threads that call one provider.

    Args:
        policy: the bounds.
        clock: a clock in seconds that never goes back.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._thread = threading.local()

    def run(self, work: Callable[[], T], most_bytes: int, n_sent: int = 0) -> T:
        """Do a call's work, and leave it when its time is over.

        It runs in a thread of its own, because nothing else ends a call whose headers drip: such a thread ends with the
        connection, or with the process.

        Args:
            work: makes one call with the SDK's client and reads its reply.
            most_bytes: most bytes of the reply, after decompression.
            n_sent: size of a file that the call sends.

        Raises:
            UnboundedError: the call breaks the policy.
        """
        call = CallUnderWay(self._policy, most_bytes, n_sent, self._clock)
        outcome: Future[T] = Future()
        threading.Thread(target=self._work, args=(work, call, outcome), daemon=True).start()
        while not outcome.done():
            left = call.seconds_left
            if left <= 0:
                raise call.late()
            wait([outcome], timeout=left)
        return outcome.result()

    def _work(self, work: Callable[[], T], call: CallUnderWay, outcome: Future[T]) -> None:
        self._thread.call = call
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the thread that waits
            outcome.set_exception(error)

    def watch(self, response: Any) -> None:
        """Bound a response before any of it is read: a hook for the HTTP client beneath either SDK."""
        encoding = response.headers.pop("content-encoding", "identity")  # or the client would decompress it again
        call, raw = self._thread.call, response.iter_raw

        def bounded_pieces(chunk_size: int | None = None) -> Iterator[bytes]:
            return bounded(raw(), encoding, call)

        response.iter_raw = bounded_pieces


def bounded(pieces: Iterable[bytes], encoding: str, call: CallUnderWay) -> Iterator[bytes]:
    """The body of a reply, decompressed in small pieces, each counted before the next is made.

    Raises:
        UnboundedError: the reply is too large, takes too long, or is compressed in a way that was not asked for.
        ValueError: it is not what its encoding says, or breaks off.
    """
    for part in _decompress(_received(pieces, call), encoding.strip().lower()):
        call.read(len(part))
        yield part


def _received(pieces: Iterable[bytes], call: CallUnderWay) -> Iterator[bytes]:
    for piece in pieces:
        call.receive(len(piece))
        yield piece


def _decompress(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        yield from pieces
    elif encoding in ("gzip", "x-gzip", "deflate"):
        yield from _inflate(pieces)
    else:
        raise UnboundedError(
            f"a reply in the encoding {encoding[:20]!r}", "a reply that is plain or gzip, as asked for"
        )


def _inflate(pieces: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # takes gzip's header and zlib's
    try:
        for piece in pieces:
            rest = piece
            while part := inflater.decompress(rest, PIECE):
                yield part
                rest = inflater.unconsumed_tail
    except zlib.error as error:
        raise ValueError(f"a reply that is not the gzip that it says ({error})") from error
    if not inflater.eof:
        raise ValueError("a compressed reply that breaks off")
