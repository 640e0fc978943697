"""Work on many files at once, in processes that leave Ctrl-C to the one that started them."""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib


def in_processes(
    calls: Iterable[Any], jobs: int, *, ordered: bool = True, batch_size: int | str = "auto"
) -> Iterator[Any]:
    """The results of `joblib.delayed` calls, made by `jobs` processes; -1 is one for each core.

    Results come in the order of the calls, or, unless `ordered`, as they are done. A joblib
    back end that was chosen outside, such as a Dask cluster, is used.
    """
    parallel = joblib.Parallel(
        n_jobs=jobs,
        return_as="generator" if ordered else "generator_unordered",
        batch_size=batch_size,
    )
    with interrupts_ignored():
        results: Iterator[Any] = parallel(calls)  # starts the processes
    return results


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C for the moment in which processes start, which inherit this for good.

    A terminal sends it to all processes; each would print a traceback of its own. The one that
    waits for them stops them.
    """
    if threading.current_thread() is not threading.main_thread():  # it alone may set handlers
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
