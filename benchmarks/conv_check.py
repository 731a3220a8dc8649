"""What it costs to check `conv2d`: gradcheck with and without its twin, PyTorch's gradcheck."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import scratchnn
from benchmarks.convolution import Case, two_digits, with_spread
from benchmarks.machine import version
from benchmarks.peers import CHECKERS
from benchmarks.timing import interleave
from gradcheck import autodiff, check, differences
from gradcheck.checks import cotangent
from gradcheck.subjects import Subject, pair

Array = np.ndarray
LARGE = Case(N=8, H=16, C=8, K=16)  # 17,552 inputs
SMALL = Case(N=2, H=8, C=8, K=4)  # 1,316 inputs: slow mode holds all of the Jacobian
QUICK = Case(N=1, H=4, C=2, K=3)
SLOW_ROUNDS = 5  # of slow mode, which takes a second


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per side of a comparison with PyTorch; `ratio` is ours over theirs."""
    if quick:
        return compare(QUICK, True, rounds, seed) + compare(QUICK, False, rounds, seed)
    slow = min(rounds, SLOW_ROUNDS)
    return compare(LARGE, True, rounds, seed) + compare(SMALL, False, slow, seed)


def compare(case: Case, fast_mode: bool, rounds: int, seed: int) -> list[dict[str, Any]]:
    """Ours in turn with PyTorch's check of its own convolution, at the same arrays."""
    x, w, b = arrays = inputs(case, seed)
    config = {"stride": case.stride, "padding": case.padding}
    about = {"inputs": x.size + w.size + b.size, "shapes": [a.shape for a in arrays]}
    theirs = torch_check(arrays, config, fast_mode) if CHECKERS["torch-fast"].installed else None
    if theirs is None:
        about["absent"] = "torch"
    rows = []
    for name, mine in ours(arrays, config, seed).items():
        start = time.perf_counter()
        mine()
        row = about | {"side": name, "first_ms": 1e3 * (time.perf_counter() - start)}
        here, there = interleave(mine, theirs or mine, rounds)
        row["ms"] = here.to_dict()
        if theirs is not None:
            ratios = [p / q for p, q in zip(here.samples, there.samples, strict=True)]
            row |= {"torch": "fast" if fast_mode else "slow", "torch_ms": there.to_dict()}
            row |= {"ratio": here.median / there.median, "ratio_range": [min(ratios), max(ratios)]}
        rows.append(row)
    return rows


def inputs(case: Case, seed: int) -> tuple[Array, ...]:
    """x, w, b, in float64 as a check has them."""
    draw = np.random.default_rng(seed).standard_normal
    kernel = (case.size, case.size, case.C, case.K)
    return draw((case.N, case.H, case.H, case.C)), draw(kernel), draw(case.K)


def ours(arrays: tuple, config: dict[str, Any], seed: int) -> dict[str, Callable[[], Any]]:
    """What is timed on our side, each verified to accept the gradient."""
    alone = pair(scratchnn.conv2d, scratchnn.conv2d_backward, arrays, config)
    ran = alone.run()
    dy = tuple(cotangent(v, np.random.default_rng(seed)) for v in ran.y)
    grads = [*alone.gradients(dy, ran)]
    slack = [64 * float(np.finfo(g.dtype).eps) * float(np.max(np.abs(g))) for g in grads]
    sides: dict[str, Callable[[], Any]] = {
        "differences": lambda: _found(differences.measure_all(alone, grads, slack, dy, [seed])),
        "check": lambda: _passed(
            check(alone.forward, alone.backward, *arrays, config=config, seed=seed)
        ),
    }
    if autodiff.available():
        import jaxnn

        sides = {"entry map": partial(entry_map, alone, jaxnn.conv2d, dy[0])} | sides
        sides["check, twin"] = lambda: _passed(
            check(
                alone.forward,
                alone.backward,
                *arrays,
                config=config,
                reference=jaxnn.conv2d,
                seed=seed,
            )
        )
    return sides


def entry_map(subject: Subject, twin: Callable, dy: Array) -> list[Array]:
    """The error of every entry of every gradient, against jax.vjp of the twin.

    Raises:
        ValueError: an error is more than rounding.
    """
    _, pulled = autodiff.value_and_pullback(twin, subject.config, subject.arrays, dy)
    grads = subject.gradients((dy,), subject.run())
    errors = [np.abs(g - G) for g, G in zip(grads, pulled, strict=True)]
    worst = max(float(e.max() / np.abs(G).max()) for e, G in zip(errors, pulled, strict=True))
    if not worst < 1e-12:
        raise ValueError(f"conv-check: the gradients differ by {worst:.1e}; run gradcheck conv2d")
    return errors


def _found(measured: list | None) -> None:
    if measured is None:
        raise ValueError("conv-check: differences did not settle; run gradcheck conv2d")


def _passed(report: Any) -> None:
    if report.verdict != "pass":
        raise ValueError(f"conv-check: {report.verdict}; run gradcheck conv2d")


def torch_check(arrays: tuple, config: dict[str, Any], fast_mode: bool) -> Callable[[], bool]:
    """torch.autograd.gradcheck of its own convolution, of the same numbers in its own layout."""
    import torch
    from torch.autograd import gradcheck

    x, w, b = arrays
    layouts = (x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1), b)
    tensors = [torch.tensor(a.copy(order="C"), requires_grad=True) for a in layouts]

    def conv(x, w, b):
        return torch.nn.functional.conv2d(x, w, b, **config)

    return lambda: gradcheck(conv, tensors, fast_mode=fast_mode)


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """The table; fits 80 columns."""
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("inputs", no_wrap=True)
    table.add_column("ours", no_wrap=True)
    for title in ("ms", "first", "PyTorch ms", "ours / PyTorch"):
        table.add_column(title, justify="right", no_wrap=True)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        theirs = ratio = "-"
        if "ratio" in row:
            low, high = map(factor, row["ratio_range"])
            ratio = f"{factor(row['ratio'])} ({low}-{high})"
            theirs = f"{row['torch']} {with_spread(row['torch_ms'])}"
        table.add_row(
            f"{row['inputs']:,}",
            row["side"],
            with_spread(row["ms"]),
            f"{row['first_ms']:.0f}",
            theirs,
            ratio,
            end_section=following is None or following["inputs"] != row["inputs"],
        )
    console.print(table)
    console.print(
        "conv2d with bias in float64. entry map: the hand backward against jax.vjp of the twin at "
        "every entry of dx, dw, db. differences: one certified directional derivative over all "
        "arguments. check: gradcheck.check, which adds the contract and the rounding, without a "
        f"twin and with. PyTorch {version('torch') or '(not installed)'}: gradcheck of its own "
        f"conv2d, defaults, fast or slow mode. Medians of {rounds} rounds taken in turn (slow: of "
        f"{min(rounds, SLOW_ROUNDS)}), ± half the interquartile range; in brackets the range of "
        "the ratio. first: the first call, which compiles; not counted."
    )


def factor(x: float) -> str:
    """A ratio, the small ones as a fraction.

    >>> factor(12.3), factor(0.8), factor(0.004)
    ('12', '0.80', '1/250')
    """
    return two_digits(x) if x >= 0.5 else f"1/{two_digits(1 / x)}"
