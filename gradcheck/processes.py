"""One function over many tasks on every core; a process that dies takes nothing else along."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
SAFE = "PYTHONSAFEPATH"  # set, Python imports nothing from the working folder


def cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def in_processes(
    run: Callable[[Task], Result],
    tasks: Sequence[Task],
    died: Callable[[Task], Result],
    last_first: bool = False,
) -> Iterator[Result]:
    """`run(task)` of each, in their order, from one process per core.

    Args:
        run: a function of a module.
        tasks: what can be pickled.
        died: what stands for the result of a task whose process did not survive it.
        last_first: whether the last is begun first.
    """
    # the arrays are small: threads of the linear algebra would only wait for each other
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    done = 0
    while done < len(tasks):
        try:
            for result in _pooled(run, tasks[done:], cores(), last_first):
                yield result
                done += 1
        except BrokenProcessPool:  # by this task, or by one that ran beside it
            try:
                (result,) = _pooled(run, tasks[done : done + 1], 1)
            except BrokenProcessPool:
                result = died(tasks[done])
            yield result
            done += 1


def _pooled(
    run: Callable[[Task], Result], tasks: Sequence[Task], count: int, last_first: bool = False
) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    given = os.environ.get(SAFE)
    os.environ[SAFE] = "1"  # else a random.py of this folder would be imported for Python's own
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(count, len(tasks)), context, _begin, (given,))
    try:
        order = -1 if last_first else 1
        for future in [pool.submit(run, task) for task in tasks[::order]][::order]:
            yield future.result()
        pool.shutdown(wait=False)
    except BaseException:  # Ctrl-C, mostly: what runs there may never end
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        raise
    finally:
        _restore(given)


def _begin(given: str | None) -> None:
    """Leave Ctrl-C to the parent, and the environment as it was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _restore(given)


def _restore(given: str | None) -> None:
    if given is None:
        os.environ.pop(SAFE, None)
    else:
        os.environ[SAFE] = given
