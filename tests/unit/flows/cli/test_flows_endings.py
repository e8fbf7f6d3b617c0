"""What ends a command from outside ends it as Ctrl-C does."""

import os
import signal

import pytest

from flows.cli.shell.endings import Ended, ended_as_by_ctrl_c, exit_code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_interrupts_and_gives_its_exit_code(number, code):
    before = signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        with pytest.raises(KeyboardInterrupt) as ended, ended_as_by_ctrl_c():
            os.kill(os.getpid(), number)
        assert exit_code(ended.value) == code
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_ctrl_c_keeps_its_exit_code():
    assert exit_code(KeyboardInterrupt()) == 130


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_as_by_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_whoever_handles_signals_already_goes_on_doing_so():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append("theirs"))
    try:
        with ended_as_by_ctrl_c():
            os.kill(os.getpid(), signal.SIGTERM)
    except Ended:
        pytest.fail("another handler was replaced")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == ["theirs"]
