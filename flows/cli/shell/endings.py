"""Signals that end a command: what was answered is written as after Ctrl-C, and one line says that a rerun goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

# Of a service manager, a container or a job queue; and of a terminal that is closed.
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """The process was told to end; whatever handles Ctrl-C handles this too.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """What a shell reports for a process that a signal ended: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT)


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Raise `Ended` where a signal would end the process at once; ignored signals stay ignored, as under nohup."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():  # the only one that may
        for number in ENDINGS:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise Ended(number)
