"""The process that searches for a repair, within limits of its memory.

A job comes in and messages go out, pickled, by standard input and output; what the user's code
prints is not heard. `gradcheck.repair` starts this, and ends it where a candidate hangs.
"""

import gc
import importlib
import os
import pickle
import signal
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.candidates import Job
from gradcheck.limits import late
from gradcheck.loading import load
from gradcheck.search import Search

MEMORY = 2 << 30  # beyond what the process holds when the search begins


def _module(job: Job) -> ModuleType:
    """The user's module, loaded again."""
    sys.path[:] = job.path
    if "." in job.module:
        return importlib.import_module(job.module)
    return load(Path(job.file))


def _limit_memory() -> None:
    try:
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    except (ImportError, OSError, ValueError):
        return


def main() -> None:
    gc.set_threshold(100_000, 50, 50)  # trees are many, and have no cycles
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    warnings.simplefilter("ignore")
    job: Job = pickle.load(sys.stdin.buffer)

    def say(*message: Any) -> None:
        pickle.dump(message, answers)
        answers.flush()

    def trying(candidate: str, seconds: float) -> None:
        say("try", candidate, seconds)

    with np.errstate(all="ignore"):
        try:
            module = _module(job)
            _limit_memory()
            if hasattr(signal, "setitimer"):
                signal.signal(signal.SIGPROF, late)
            search = Search(job, module, trying)
            say("done", search.run(), search.tried)
        except Exception as error:  # of ours: what candidates raise is caught
            say("broke", f"{type(error).__name__}: {error}")
    os._exit(0)  # threads of the user's module may still run
