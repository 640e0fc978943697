"""Processes that work on files: their results, and who hears Ctrl-C."""

import signal

from harmonic.images.parallel import in_processes


def sigint_ignored(number: int) -> tuple[int, bool]:
    return number, signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_results_come_in_order_and_ctrl_c_stays_with_the_caller() -> None:
    # Tests in the background of a shell start with Ctrl-C ignored.
    started_with = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Processes that an earlier test started may live on; another number of them is started anew.
    numbers = [(number,) for number in range(20)]
    found = list(in_processes(sigint_ignored, numbers, name="numbers", jobs=3))
    assert found == [(number, True) for number in range(20)]
    assert signal.signal(signal.SIGINT, started_with) is signal.default_int_handler
