"""Checks in processes of their own, which may hang, die, or want all of the memory."""

import contextlib
import multiprocessing
import os
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

from benchmarks import peers
from gradcheck.discovery import resolve
from gradcheck.subjects import pair

LIMIT = 60.0  # seconds for one pair, all its cases
MEMORY = 8 << 30  # bytes of one process
WORST = ("accepted", "unresolved", "raised", "rejected")


@dataclass(frozen=True)
class Task:
    """One pair of one file, in one dtype."""

    file: str
    pair: str
    dtype: str
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a checker said of a pair: a word of WORST, or "hung" or "died".

    `seconds` holds the time of each of its cases, or nothing if it did not end.
    """

    word: str
    seconds: tuple[float, ...] = ()


class Worker:
    """A process that runs one checker; started anew where it does not come back."""

    def __init__(self, checker: str):
        self.checker = checker
        self.start()

    def start(self) -> None:
        # the arrays are small: threads of the linear algebra would only wait for each other
        for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.checker), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False

    def ask(self, task: Task) -> Outcome:
        """The outcome of a task, after at most LIMIT seconds."""
        try:
            if not self.ready:  # it imports and warms up first
                self.pipe.recv()
                self.ready = True
            self.pipe.send(task)
            if self.pipe.poll(LIMIT):
                return self.pipe.recv()
            word = "hung"
        except (EOFError, BrokenPipeError, ConnectionResetError):
            word = "died"
        self.stop()
        self.start()
        return Outcome(word)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def serve(pipe: Any, checker: str) -> None:
    """Answer tasks until the other end is gone."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what the checked code prints
    warnings.simplefilter("ignore")
    square = pair(lambda x: (x * x, x), lambda dy, x: 2 * dy * x, ([1.0, 2.0],))
    for dtype in ("float64", "float32"):  # imports, and what a first call sets up
        peers.quietly(checker, peers.case(square, dtype), 0)
    pipe.send("ready")
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            pipe.send(answer(checker, pipe.recv()))


def answer(checker: str, task: Task) -> Outcome:
    """The worst word over all cases of the pair."""
    words, seconds = [], []
    try:
        (found,) = resolve(f"{task.file}::{task.pair}")
        for subject in found.subjects(task.seed, False):
            case = peers.case(subject, task.dtype)
            start = time.perf_counter()
            try:
                words.append(peers.quietly(checker, case, task.seed))
            except Exception:
                words.append("raised")
            seconds.append(time.perf_counter() - start)
    except Exception:  # of the file, its inputs or its forward
        words.append("raised")
    return Outcome(max(words, key=WORST.index), tuple(seconds))
