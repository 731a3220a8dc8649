"""Verified repair: the smallest edit of a backward after which its gradients are right.

Nobody's guess: every candidate is run, on inputs of other values and sizes than those that failed,
and what is proposed has passed the whole check. The user's file is only read.

    found = repair(subjects)      # the subject that failed, and others of the same pair
    print(found.diff)
"""

import ast
import difflib
import os
import pickle
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradcheck import edits as enumerated
from gradcheck.candidates import Job, Right
from gradcheck.report import Edit as Change
from gradcheck.report import Fix
from gradcheck.subjects import Subject

ABOUT = 2  # characters by which edits may differ and be as small as each other
UNENDED = "\\ No newline at end of file"  # as diff says it
PATIENCE = 10.0  # seconds of silence after which a candidate sleeps
RETURNED = 8  # characters that a change among several returned values counts more
THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"  # small arrays need one
WITHIN = "GRADCHECK_REPAIRING"  # set where a search runs, which must not start another


@dataclass(frozen=True)
class Repair:
    """Edits after which the gradients are right, verified.

    `diff` is that of the file; `kind` the name of the mistake that the edits undo, "" where they
    do not say; `alternatives` are the edits of others that are right too. `original` and `text`
    are the file before and after.
    """

    edits: tuple[Change, ...]
    diff: str
    kind: str
    explanation: str
    alternatives: tuple[tuple[Change, ...], ...]
    tried: int
    seconds: float
    original: str
    text: str


def repair(
    subjects: Sequence[Subject],
    lines: Sequence[int] = (),
    trusted: Sequence[str] = (),
    seconds: float = 8.0,
    clock: float | None = None,
    seed: int = 0,
    kinds: Sequence[str] = (),
) -> Repair | None:
    """Search for a repair.

    Args:
        subjects: of one pair: first the one that failed, then fresh ones, of other sizes where
            there are any.
        lines: those to be tried first.
        trusted: names of functions that are tried last, as they passed a check of their own.
        seconds: the most that the search takes, of the processor.
        clock: seconds by the clock after which it is ended; by default three times as many.
        seed: of cotangents and directions.
        kinds: names that the mistake may have, by its numbers.

    Returns:
        The best repair found, or None: the pair is right, its source is not to be had, or nothing
        small makes it right.

    Raises:
        RuntimeError: the search broke off, by a fault of its own.
    """
    start = time.monotonic()
    job = None if WITHIN in os.environ else _job(subjects, lines, trusted, seconds, seed)
    if job is None:
        return None
    job = replace(job, kinds=tuple(kinds))
    tried, found = _searched(job, start + (clock or 3 * seconds))
    if not found:
        return None
    best, *others = sorted(found, key=_rank)
    text, mended = Path(job.file).read_bytes().decode(), best.source
    for edit in best.edits:
        mended = _tidied(mended, edit)
    edits = _changes(job.file, best)
    return Repair(
        edits,
        _diff(job.file, text, mended),
        best.kind,
        "; ".join(map(_explained, edits)),
        tuple(_changes(job.file, other) for other in others),
        tried,
        time.monotonic() - start,
        text,
        mended,
    )


def _job(
    subjects: Sequence[Subject],
    lines: Sequence[int],
    trusted: Sequence[str],
    seconds: float,
    seed: int,
) -> Job | None:
    forward, backward = subjects[0].forward, subjects[0].backward
    own = backward
    if subjects[0].adapt:
        own = subjects[0].watch[-1]
    elif any(f.__name__ != f.__qualname__ for f in (forward, backward) if hasattr(f, "__code__")):
        return None
    file = own.__code__.co_filename if hasattr(own, "__code__") else ""
    if not hasattr(forward, "__code__") or not Path(file).is_file():
        return None
    bare: Any = None
    given = tuple(replace(s, forward=bare, backward=bare, twin=None, watch=()) for s in subjects)
    return Job(
        os.path.abspath(file),
        own.__module__ or "",
        forward.__name__,
        backward.__name__,
        given,
        tuple(lines),
        seconds,
        seed,
        tuple(sys.path),
        trusted=tuple(trusted),
    )


def _searched(job: Job, deadline: float) -> tuple[int, list[Right]]:
    """How many candidates were tried, and what was found; past candidates that hang."""
    tried, skip = 0, set(job.skip)
    while (left := deadline - time.monotonic()) > 0.2:
        again = replace(job, seconds=min(job.seconds, left), skip=frozenset(skip))
        done, at, count = _one_search(again, deadline)
        tried += count
        if done is not None:
            return tried, done
        if at is None or at in skip:
            break
        skip.add(at)
    return tried, []


def _one_search(job: Job, deadline: float) -> tuple[list[Right] | None, str | None, int]:
    """What a search found, or the candidate at which it hung; and how many it tried."""
    # -P: a queue.py of this folder is not to be imported for Python's own
    command = [sys.executable, "-P", "-c", "from gradcheck.repairing import main; main()"]
    here = str(Path(__file__).parent.parent)
    environment = os.environ | {WITHIN: "1", "PYTHONPATH": os.pathsep.join([here, *_given_path()])}
    environment |= dict.fromkeys(THREADS, "1")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        messages: queue.Queue[tuple] = queue.Queue()
        threading.Thread(target=_listen, args=(process.stdout, messages), daemon=True).start()
        at, count, patience = None, 0, deadline - time.monotonic()
        silence = max(PATIENCE, patience / 4)
        try:
            pickle.dump(job, process.stdin)
            process.stdin.close()
            while True:
                left = min(patience, deadline - time.monotonic())
                what, *rest = messages.get(timeout=max(left, 0.0))
                if what == "done":
                    return rest[0], None, rest[1]
                if what == "broke":
                    raise RuntimeError(f"the search for a fix broke off: {rest[0]}")
                if what == "end":
                    return None, at, count
                count += rest[0] != at
                at, limit = rest
                patience = silence + limit
        except (queue.Empty, OSError, TypeError, AttributeError, pickle.PicklingError):
            return None, at, count
        finally:
            process.kill()


def _given_path() -> list[str]:
    return [p for p in [os.environ.get("PYTHONPATH", "")] if p]


def _listen(stream: Any, messages: queue.Queue) -> None:
    try:
        while True:
            messages.put(pickle.load(stream))
    except Exception:  # the process has ended, or was ended
        messages.put(("end",))


def _rank(right: Right) -> tuple:
    """How good a repair looks: the least for the best."""
    made = right.edits
    # what is only read or unpacked is less likely wrong than what is computed
    bare = sum(not set("*/+-@(").intersection(e.before) and not _is_alias(e) for e in made)
    # another number may fit by chance
    bare += sum(len(_numbers(e.after) - _numbers(e.before)) for e in made)
    distance = sum(_distance(e.before, e.after) for e in made)
    # where one of several results is assigned, rather than where all are returned
    distance += RETURNED * sum(map(_returns_a_name, made))
    meant = right.doubtful, -right.right, -right.named
    # where an array gets another name, rather than where it is written into
    copied = sum(e.after == f"{e.before}.copy()" for e in made)
    # of edits as small as each other the last: what comes before it may be right as it is
    small = int(distance / ABOUT), -made[0].line, distance
    return len(made), *meant, -copied, bare, *small, *right.order


def _is_alias(edit: enumerated.Edit) -> bool:
    """Whether a name is given what another name holds, by which a step may have been left out."""
    return bool(re.fullmatch(r"\w+ = \w+", edit.before))


def _returns_a_name(edit: enumerated.Edit) -> bool:
    """Whether one of several results that are returned is no longer as it was named."""
    old, new = ([*_results(text)] for text in (edit.before, edit.after))
    if len(old) < 2 or len(old) != len(new):
        return len(old) > 1
    return any(a != b and a.isidentifier() for a, b in zip(old, new, strict=True))


def _results(text: str) -> list[str]:
    """What a return says is returned."""
    with suppress(SyntaxError):
        match ast.parse(text).body:
            case [ast.Return(ast.Tuple(elts))]:
                return [*map(ast.unparse, elts)]
    return []


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])\d+\.?\d*", text)) - {"0", "1", "2"}


def _distance(a: str, b: str) -> float:
    """How many characters are new, and a fifth of how many are gone; none for a whole statement.

    To leave something out is the surest of repairs: nothing has to be made up.
    """
    if b == "pass":
        return 0.0
    a, b = (t.translate(str.maketrans("", "", "() ")) for t in (a, b))
    a, b = (t.replace("+=-", "-=").replace("+-", "-") for t in (a, b))
    blocks = difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    same = sum(m.size for m in blocks)
    return len(b) - same + (len(a) - same) / 5


def _changes(file: str, right: Right) -> tuple[Change, ...]:
    def change(e: enumerated.Edit) -> Change:
        two = _inserted(e)
        after = "\n".join(two) if two else "" if e.after == "pass" else e.after
        return Change(file, e.line, e.before, after)

    return tuple(map(change, right.edits))


def _inserted(edit: enumerated.Edit) -> tuple[str, str] | None:
    """The two statements of an edit that inserts one, in order."""
    if edit.after.startswith(f"{edit.before}; "):
        return edit.before, edit.after.removeprefix(f"{edit.before}; ")
    if edit.after.endswith(f"; {edit.before}"):
        return edit.after.removesuffix(f"; {edit.before}"), edit.before
    return None


def _tidied(text: str, edit: enumerated.Edit) -> str:
    """The text with an inserted statement in a line of its own, and without empty lines and pass.

    While candidates run, every line has to stay where it is.
    """
    two = _inserted(edit)
    if two:
        place = text.find("; ".join(two))
        if place >= 0:
            indent = text[text.rfind("\n", 0, place) + 1 : place]
            below = f"{two[0]}\n{indent}{two[1]}"
            return text[:place] + below + text[place + len("; ".join(two)) :]
    lines = text.splitlines(keepends=True)
    first, lost = edit.line - 1, edit.before.count("\n") - edit.after.count("\n")
    end = next((k for k in range(first, len(lines)) if not lines[k].strip()), len(lines))
    if lost > 0 and not "".join(lines[end : end + lost]).strip():
        del lines[end : end + lost]
    if lines[first].strip() == "pass":
        with suppress(SyntaxError):  # else a block needs it
            fewer = "".join([*lines[:first], *lines[first + 1 :]])
            ast.parse(fewer)
            return fewer
    return "".join(lines)


def _explained(change: Change) -> str:
    before, after = change.before, change.after
    if not after:
        return f"line {change.line}: {before} should be left out"
    if after.startswith(f"{before}\n"):
        return f"after line {change.line}, {after.removeprefix(before).strip()} is missing"
    if after.endswith(f"\n{before}"):
        return f"before line {change.line}, {after.removesuffix(before).strip()} is missing"
    return f"line {change.line}: {before} should be {after}"


def _diff(file: str, before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    near = os.path.relpath(file)
    name = file if near.startswith("..") else near  # as one would type it here
    lines = difflib.unified_diff(old, new, name, name, n=2)
    return "".join(n if n.endswith("\n") else f"{n}\n{UNENDED}\n" for n in lines)


def applied(text: str, fixes: Sequence[Fix]) -> str:
    """The text with several fixes in it, each found for itself.

    Raises:
        ValueError: two of them change the same lines, in different ways.
    """
    old = text.splitlines(keepends=True)
    changes: set[tuple[int, int, tuple[str, ...]]] = set()
    for fix in fixes:
        new = fix.text.splitlines(keepends=True)
        codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        changes |= {(i, j, tuple(new[a:b])) for tag, i, j, a, b in codes if tag != "equal"}
    last = len(old) + 1
    for first, end, lines in sorted(changes, reverse=True):
        if end > last or first == last:
            raise ValueError(
                f"two fixes change line {first + 1}, each in its own way; apply one of them, and "
                "check again"
            )
        last = first
        old[first:end] = lines
    return "".join(old)


def apply(file: str, fixes: Sequence[Fix]) -> Path:
    """Write a file with its fixes, and keep it as FILE.orig.

    Returns:
        Where the original is kept.

    Raises:
        ValueError: the file is no longer what was checked, FILE.orig is there already, or the
            fixes do not go together.
    """
    path = Path(file)
    backup = path.with_name(path.name + ".orig")
    original = path.read_bytes().decode()
    if any(fix.original != original for fix in fixes):
        raise ValueError(f"{file}: has changed since it was checked; check it again")
    text = applied(original, fixes)
    try:
        with backup.open("xb") as kept:
            kept.write(original.encode())
    except FileExistsError:
        raise ValueError(f"{backup}: is there already; move it away first") from None
    path.write_bytes(text.encode())
    return backup
