"""`scratchnn.conv2d`, windows and matrix products by hand, against XLA's convolution."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import jaxnn
import scratchnn
from benchmarks.timing import Times, interleave


@dataclass(frozen=True)
class Case:
    """One convolution of square images and kernels, with bias, in float32."""

    N: int
    H: int
    C: int
    K: int
    size: int = 3
    stride: int = 1
    padding: int = 1

    @property
    def side(self) -> int:
        """Of the output, in pixels."""
        return (self.H + 2 * self.padding - self.size) // self.stride + 1

    @property
    def terms(self) -> int:
        """The products that are summed: each costs one multiplication and one addition.

        >>> Case(N=1, H=3, C=2, K=5, padding=0).terms
        90
        """
        return self.N * self.side**2 * self.K * self.size**2 * self.C


CASES = (
    Case(N=64, H=28, C=1, K=8),  # MNIST, first layer
    Case(N=64, H=28, C=8, K=8),
    Case(N=64, H=14, C=16, K=32),
    Case(N=64, H=28, C=8, K=16, size=5, stride=2, padding=2),
    Case(N=32, H=32, C=3, K=16),  # CIFAR-10, first layer
)
QUICK = (Case(N=2, H=6, C=2, K=3), Case(N=2, H=7, C=2, K=3, size=5, stride=2, padding=2))


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per case and pass."""
    with jax.default_device(jax.devices("cpu")[0]):
        return [row for case in (QUICK if quick else CASES) for row in measure(case, rounds, seed)]


def measure(case: Case, rounds: int, seed: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed).standard_normal
    shapes = (
        (case.N, case.H, case.H, case.C),
        (case.size, case.size, case.C, case.K),
        (case.K,),
        (case.N, case.side, case.side, case.K),
    )
    x, w, b, dy = (draw(shape).astype(np.float32) for shape in shapes)
    config: dict[str, Any] = {"stride": case.stride, "padding": case.padding}

    def forward(x, w, b):
        y, _ = scratchnn.conv2d(x, w, b, **config)
        return (y,)

    def both(x, w, b, dy):
        y, cache = scratchnn.conv2d(x, w, b, **config)
        return y, *scratchnn.conv2d_backward(dy, cache)

    @jax.jit
    def twin_forward(x, w, b):
        return (jaxnn.conv2d(x, w, b, **config),)

    @jax.jit
    def twin_both(x, w, b, dy):
        y, vjp = jax.vjp(lambda *arrays: jaxnn.conv2d(*arrays, **config), x, w, b)
        return y, *vjp(dy)

    longest = max(case.size**2 * case.C, case.N * case.side**2)  # sums of y; of dw and db
    sizes = {"longest": longest, "rounds": rounds}
    rows = [
        compare(forward, twin_forward, (x, w, b), flops=2 * case.terms, **sizes),
        compare(both, twin_both, (x, w, b, dy), flops=6 * case.terms, **sizes),
    ]
    names = ("forward", "forward + backward")
    about = {k: getattr(case, k) for k in ("N", "H", "C", "K", "size", "stride", "padding")}
    return [{"case": about, "pass": n} | row for n, row in zip(names, rows, strict=True)]


def compare(
    hand: Callable, twin: Callable, arrays: tuple, *, flops: int, longest: int, rounds: int
) -> dict[str, Any]:
    """Check that both give one answer, then time them."""
    on_device = tuple(map(jax.device_put, arrays))
    start = time.perf_counter()
    got = jax.block_until_ready(twin(*on_device))
    compile_ms = 1e3 * (time.perf_counter() - start)
    error = agree(hand(*arrays), got, longest)
    a, b = interleave(
        lambda: hand(*arrays), lambda: jax.block_until_ready(twin(*on_device)), rounds
    )
    ratios = Times(tuple(p / q for p, q in zip(a.samples, b.samples, strict=True)))
    return {
        "numpy_ms": a.to_dict(),
        "jax_ms": b.to_dict(),
        "ratio": a.median / b.median,
        "ratio_range": [min(ratios.samples), max(ratios.samples)],
        "gflop": flops / 1e9,
        "numpy_gflops": flops / a.median / 1e6,
        "jax_gflops": flops / b.median / 1e6,
        "jax_compile_ms": compile_ms,
        "difference": error,
    }


def agree(mine: tuple, theirs: tuple, longest: int) -> float:
    """The largest difference, relative to the largest entry of its array.

    Two float32 sums of n terms in another order differ by about eps sqrt(n); four times that is
    allowed.

    Raises:
        ValueError: the results differ by more; times of different answers do not compare.

    >>> agree((np.ones(2),), (np.ones(2),), longest=9)
    0.0
    """
    bound = 4 * float(np.finfo(np.float32).eps) * longest**0.5
    pairs = zip(mine, map(np.asarray, theirs), strict=True)
    worst = float(np.max([abs(p - q).max() / abs(q).max() for p, q in pairs]))  # nan stays nan
    if not worst <= bound:
        raise ValueError(
            f"conv: the two sides differ by {worst:.1e}; wanted at most {bound:.1e}; "
            "not timed: run gradcheck conv2d"
        )
    return worst


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """The table; fits 80 columns."""
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for title in ("convolution", "pass"):
        table.add_column(title, no_wrap=True)
    for title in ("NumPy ms", "JAX ms", "NumPy / JAX", "GFLOP/s"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        case, forward, (low, high) = row["case"], row["pass"] == "forward", row["ratio_range"]
        image = f"{case['H']}x{case['H']}x{case['C']} to {case['K']}"
        kernel = f" {case['size']}x{case['size']}/{case['stride']}, N {case['N']}"
        table.add_row(
            image if forward else kernel,
            "forward" if forward else "fwd+bwd",
            with_spread(row["numpy_ms"]),
            with_spread(row["jax_ms"]),
            f"{two_digits(row['ratio'])} ({two_digits(low)}-{two_digits(high)})",
            f"{two_digits(row['numpy_gflops'])} / {two_digits(row['jax_gflops'])}",
            end_section=not forward,
        )
    console.print(table)
    compiled = [row["jax_compile_ms"] for row in rows]
    worst = max(row["difference"] for row in rows)
    console.print(
        "convolution: image to channels out, kernel/stride, batch N; float32, with bias. "
        f"Median of {rounds} rounds taken in turn, ± half the interquartile range; in brackets the "
        "range of the ratio over the rounds. JAX's first call, which compiles, took "
        f"{min(compiled):.0f} to {max(compiled):.0f} ms and is not counted. The two results "
        f"differ by at most {worst:.0e} of the largest entry."
    )


def with_spread(time: dict[str, Any]) -> str:
    """Milliseconds as the table prints them.

    >>> with_spread({"median": 12.34, "spread": 0.5}), with_spread({"median": 1.234, "spread": 0})
    ('12.3 ±0.5', '1.23 ±0.00')
    """
    digits = sum(time["median"] < limit for limit in (10, 100))
    return f"{time['median']:.{digits}f} ±{time['spread']:.{digits}f}"


def two_digits(x: float) -> str:
    """A factor, to about two digits.

    >>> two_digits(123.4), two_digits(12.3), two_digits(1.23), two_digits(0.123)
    ('123', '12', '1.2', '0.12')
    """
    return f"{x:.0f}" if x >= 10 else f"{x:.1f}" if x >= 1 else f"{x:.2f}"
