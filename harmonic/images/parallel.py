"""Work on many files at once, in processes that leave Ctrl-C to the one that started them."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import joblib
from tqdm import tqdm


def in_processes(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    name: str,
    jobs: int = -1,
    done: int = 0,
) -> Iterable[Any]:
    """The results of `function(*each)` for each of the arguments, in their order, under a bar.

    `jobs` processes share the work; -1 is one for each core. A joblib back end that was chosen
    outside, such as a Dask cluster, is used instead. The bar, on standard error where that is a
    terminal, is called `name` and counts images; `done` of them were there before.
    """
    calls = (joblib.delayed(_on_one_thread)(function, *each) for each in arguments)
    with _interrupts_ignored():
        results = joblib.Parallel(n_jobs=jobs, return_as="generator")(calls)  # starts the processes
    total = done + len(arguments)
    return tqdm(results, desc=name, unit="image", initial=done, total=total, disable=None)


def _on_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    cv2.setNumThreads(1)  # the processes share the cores already
    return function(*arguments)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
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
