"""Functions that are still to be written, in what raises because it calls one of them."""

import re
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site, watching
from gradcheck.subjects import Subject, nothing

NAMED = re.compile(r"forward|backward|loss|step|fwd|bwd")  # that have a result, by their names


class _Calls(Hook):
    """Keeps the first function of the project that returned nothing, or was not implemented."""

    def __init__(self) -> None:
        self.first: FunctionType | None = None

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        named = isinstance(f, FunctionType) and NAMED.search(f.__name__)
        own = f if isinstance(f, FunctionType) and named and self.observes(f) else None
        try:
            result = f(*args, **kwargs)
        except NotImplementedError:
            self.first = self.first or own
            raise
        # the first of several gradients may be None, where ids have none; y may not
        first = result[0] if isinstance(result, tuple) and result else result
        gives_y = own is None or not re.search("backward|bwd", own.__name__)
        if nothing(result) or (first is None and gives_y):
            self.first = self.first or own
        return result


def part(subject: Subject) -> FunctionType | None:
    """The function that a pair calls in vain: it is not implemented yet; None if there is none."""
    calls = _Calls()
    with np.errstate(all="ignore"), suppress(Exception), watching(subject.functions, calls):
        ran = subject.run()
        subject.gradients(tuple(map(np.ones_like, ran.y)), ran)
    return calls.first
