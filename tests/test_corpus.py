"""The corpus is what it says: right texts run, and each mistake shows where its list puts it."""

import pickle
from functools import cache

import numpy as np
import pytest

from gradcheck.corpus import FOLDER, HALVES, specimens
from gradcheck.discovery import resolve
from gradcheck.subjects import ContractError, copied

TEXTS = {half: list(specimens(half)) for half in HALVES}
RIGHT = [s for half in HALVES for s in TEXTS[half] if not s.kinds]
WRONG = [s for half in HALVES for s in TEXTS[half] if s.kinds]
# these break the contract of a pair, and may leave its gradients as they are
UNSEEN_IN_NUMBERS = {"mutates", "not-repeatable"}
SEEDS = (0, 1)
SELDOM = 4  # one text in so many is looked at by default, all of them in the long campaign
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # mistakes overflow


def label(specimen):
    return f"{specimen.half}-{specimen.name}"


def sampled(specimens, module):
    """The specimens, those of most modules marked as slow."""
    modules = sorted({(s.half, module(s)) for s in specimens})
    often = set(modules[::SELDOM])

    def marks(s):
        return () if (s.half, module(s)) in often else pytest.mark.slow

    return [pytest.param(s, id=label(s), marks=marks(s)) for s in specimens]


@cache
def right_pairs(half, module):
    """The checks of a right text, by pair."""
    return {c.name: c for c in resolve(str(FOLDER / half / f"{module}.py"))}


@cache
def right_draws(half, module, pair):
    """Subjects at fresh draws, a dy for each, and the right gradients."""
    draws: list[tuple] = []
    for subject in subjects(right_pairs(half, module)[pair]):
        rng = np.random.default_rng(len(draws))
        dy = tuple(rng.standard_normal(np.shape(v)) for v in subject.run().y)
        draws.append((subject, dy, backward(subject, dy)))
    return draws


def subjects(check):
    """Those of each seed, less the fourth of annotated pairs, which depends on what runs."""
    every = ((k, s) for seed in SEEDS for k, s in enumerate(check.subjects(seed, False)))
    return [s for k, s in every if k < 3 or not s.axes]


def given(dy, ran):
    """dy as the outputs are: arrays for arrays, numbers for numbers."""
    return tuple(
        d if isinstance(v, np.ndarray) else np.float64(d) for d, v in zip(dy, ran.y, strict=True)
    )


def backward(subject, dy):
    """The gradients by argument."""
    ran = subject.run()
    grads = subject.gradients(given(dy, ran), ran)
    return dict(zip([subject.names[i] for i in subject.floats], grads, strict=True))


def differ(wrong, right, tolerance=1e-9):
    """Whether a gradient differs in shape, in dtype, or by more than rounding does."""
    if wrong is None or np.shape(wrong) != np.shape(right):
        return True
    if np.asarray(wrong).dtype != np.asarray(right).dtype:
        return True
    gap = np.max(np.abs(np.subtract(wrong, right, dtype=float)))
    return not gap <= tolerance * np.max(np.abs(right))


def against_own_forward(subject, dy):
    """The arguments whose gradient is not that of the subject's own forward."""
    grads, rng = backward(subject, dy), np.random.default_rng(1)

    def inner(arrays):
        return sum(np.vdot(d, v) for d, v in zip(dy, subject.run(arrays).y, strict=True))

    seen = set()
    for i in subject.floats:
        x, g = subject.arrays[i], grads[subject.names[i]]
        for _ in range(3):
            d = rng.standard_normal(x.shape)
            h = 1e-6 * max(1.0, float(np.max(np.abs(x))))
            ends = [(*subject.arrays[:i], x + s * d, *subject.arrays[i + 1 :]) for s in (h, -h)]
            slope = (inner(ends[0]) - inner(ends[1])) / (2 * h)
            if not abs(np.vdot(g, d) - slope) <= 1e-5 * np.linalg.norm(g) * np.linalg.norm(d):
                seen.add(subject.names[i])
    return seen


def at_one_point(a, b):
    """Whether two subjects have the same inputs and options."""
    pairs = zip(a.arrays, b.arrays, strict=True)
    return repr(a.config) == repr(b.config) and all(np.array_equal(x, y) for x, y in pairs)


def same_forward(right, wrong):
    """Whether two subjects at one point give the same outputs."""
    ours, theirs = right.run().y, wrong.run().y
    return all(np.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(ours, theirs, strict=True))


def impurities(subject, dy):
    """Whether a call writes into what it was given, and whether a second call differs."""
    arrays, y_bar = copied(subject.arrays), copied(given(dy, subject.run()))
    y, cache = subject.forward(*arrays, **subject.config)
    kept = pickle.dumps(cache)
    dy_given = y_bar if isinstance(y, tuple) else y_bar[0]
    subject.backward(dy_given, cache)
    before, after = (*subject.arrays, *given(dy, subject.run())), (*arrays, *y_bar)
    writes = any(
        differ(a, b, 0) for a, b in zip(after, before, strict=True) if isinstance(a, np.ndarray)
    )
    found = {"mutates"} if writes or pickle.dumps(cache) != kept else set()
    ran = subject.run()
    try:
        first, again = (copied(subject.gradients(given(dy, ran), ran)) for _ in range(2))
        if any(differ(a, b, 0) for a, b in zip(again, first, strict=True)):
            found.add("not-repeatable")
    except Exception:  # a cache that was used up
        found.add("not-repeatable")
    return found


@pytest.mark.parametrize("specimen", sampled(RIGHT, lambda s: s.name))
def test_a_right_text_runs_and_its_gradients_have_the_right_shapes(specimen):
    assert right_pairs(specimen.half, specimen.name)
    for pair in right_pairs(specimen.half, specimen.name):
        for subject, _, grads in right_draws(specimen.half, specimen.name, pair):
            for name, g in grads.items():
                x = subject.arrays[subject.names.index(name)]
                assert np.shape(g) == x.shape, f"d{name} of {pair}"
                assert np.asarray(g).dtype == x.dtype, f"d{name} of {pair}"


@pytest.mark.parametrize("specimen", sampled(WRONG, lambda s: s.name.rpartition("-")[0]))
def test_a_mistake_shows_in_the_arguments_it_lists(specimen, tmp_path):
    file = tmp_path / f"{specimen.name}.py"
    file.write_text(specimen.source)
    wrong = next(c for c in resolve(str(file)) if c.name == specimen.pair)
    right = right_draws(specimen.half, specimen.name.rpartition("-")[0], specimen.pair)
    kinds, seen = set(specimen.kinds), set()
    others = subjects(wrong)
    for subject, dy, wanted in right:
        # options beside the cases are varied as far as the pair runs, which a wrong one may not
        other = next((s for s in others if at_one_point(s, subject)), None)
        if other is None:
            continue
        if kinds & UNSEEN_IN_NUMBERS and kinds & impurities(other, dy):
            return
        try:
            if not same_forward(subject, other):
                seen |= against_own_forward(other, dy)
                continue
            got = backward(other, dy)
        except ContractError as error:
            assert error.kind in kinds
            return
        except Exception as error:
            name = "not-implemented" if isinstance(error, NotImplementedError) else "raises"
            assert name in kinds, repr(error)
            return
        seen |= {n for n, g in wanted.items() if differ(got[n], g)}
    assert seen == set(specimen.arguments)


def test_every_mistake_changes_lines_and_is_listed_once():
    for s in WRONG:
        lines = s.source.splitlines()
        assert any(lines[k - 1].strip() for k in s.lines), label(s)
    assert len({(s.half, s.source) for s in WRONG}) == len(WRONG)
