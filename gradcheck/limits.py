"""Limits on what a candidate may take, and the text that it is read as while it runs."""

import contextlib
import linecache
import signal
import time
from collections.abc import Iterator
from typing import Any

try:
    import resource
except ImportError:  # there are no such limits here; the process is watched from outside
    resource = None  # type: ignore[assignment]


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises after so long of the processor; soon after, where no exception is heard, the end."""
    if resource is None:
        yield
        return
    soon = int(time.process_time() + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (soon, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def late(*_: Any) -> None:
    raise TimeoutError


@contextlib.contextmanager
def as_text(file: str, text: str) -> Iterator[None]:
    """While this lasts, the instrument reads the file as this text."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    try:
        yield
    finally:
        linecache.cache.pop(file, None)
