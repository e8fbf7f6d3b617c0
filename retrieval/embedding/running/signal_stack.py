"""A library must not leave its own stack behind for the signals of the process.

OpenVINO gives the calling thread an alternate signal stack, and frees it with the model. Of two models that are freed
in the order in which they were made, the second puts the first one's freed stack back. Python handles signals on that
stack, so Ctrl-C would then end the process with a segmentation fault, and the last answers would be lost (seen with
OpenVINO 2026.4). Where OpenVINO finds that its stack was replaced, it leaves the thread's stack alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SignalStack(ctypes.Structure):
    """The alternate signal stack of a thread: `stack_t` of the C library of Linux."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def signal_stack() -> SignalStack:
    """The alternate signal stack of this thread; its address is None if it has none. Only on Linux."""
    stack = SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Give this thread its alternate signal stack back after the block. Elsewhere than on Linux: do nothing."""
    if sys.platform != "linux":
        yield
        return
    before = signal_stack()
    try:
        yield
    finally:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(before), None)
