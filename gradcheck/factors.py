"""What a constant factor between a wrong gradient and the right one is, and what it is called."""

import itertools
import operator
from dataclasses import dataclass

import numpy as np

from gradcheck.samples import TOLERANCE, Sample


@dataclass(frozen=True)
class Explanation:
    """A name for a wrong gradient, what identifies it in every sample, and its words here."""

    kind: str
    key: tuple
    words: str


def factors(ratio: float, sample: Sample, own: tuple[int, ...]) -> list[Explanation]:
    """What a constant factor may be; `own` is the shape that the gradient has.

    -1 is a sign; 1/N or N a mean for a sum, if N counts what was summed away, the batch or all
    entries; a factor that goes with the share of kept units belongs to a mask.
    """
    if abs(ratio + 1) <= TOLERANCE:
        return [Explanation("sign", ("factor", -1), "-1")]
    found = []
    for scale, names in _counts(sample):
        for power in (1, -1):
            if abs(ratio * ((scale - 1) / scale) ** power - 1) <= TOLERANCE and scale > 2:
                words = (
                    f"{ratio:.6g} for {names} = {scale}, as if the variance were divided otherwise"
                )
                found.append(
                    Explanation(
                        "forward-backward-variant-mismatch", ("less one", names, power), words
                    )
                )
        for power in (1, -1):
            if abs(ratio * scale ** (-power) - 1) <= TOLERANCE:
                words = f"1/{scale}" if power < 0 else f"{scale}"
                kind = "mean-vs-sum" if _is_count(names, sample, own) else "constant-factor"
                found.append(Explanation(kind, (names, power), f"{words} ({names} = {scale})"))
        if (
            abs(ratio * ratio * scale - 1) <= TOLERANCE
            or abs(ratio * ratio / scale - 1) <= TOLERANCE
        ):
            words = f"{ratio:.6g}, a root of {names} = {scale}"
            found.append(Explanation("constant-factor", ("root", names, ratio < 1), words))
    for (a, n), (b, m) in itertools.permutations(sample.sizes.items(), 2):
        if n != m and abs(ratio * m / n - 1) <= TOLERANCE:
            words = f"{n}/{m} ({a} = {n}, {b} = {m})"
            found.append(Explanation("constant-factor", (a, b), words))
    for name, s in sample.scalars.items():
        root = any(abs(s * s * n - 1) <= TOLERANCE for n, _ in _counts(sample))
        if not 0 < s < 1 or root or not _drops(sample):
            continue
        for k, value in enumerate((s, 1 - s, s / (1 - s))):
            for power in (1, -1):
                if abs(ratio * value ** (-power) - 1) <= TOLERANCE:
                    words = f"{ratio:.6g}, which {name} = {s:.6g} gives"
                    found.append(Explanation("scale-by-keep-probability", (k, power), words))
    key = ("factor", float(f"{ratio:.5g}"))
    return [*found, Explanation("constant-factor", key, number(ratio))]


def _counts(sample: Sample) -> list[tuple[int, str]]:
    """Sizes, and quotients of two numbers of entries, with their names."""
    sizes = {k: n for k, n in sample.sizes.items()}
    found = [(n, name) for name, n in sizes.items()]
    whole = {k: n for k, n in sizes.items() if k.endswith(".size")}
    for (a, m), (b, n) in itertools.combinations(sizes.items(), 2):  # two axes of one array
        if ".shape" in a and a.split(".")[0] == b.split(".")[0] and ".shape" in b:
            found.append((m * n, f"{a} {b}"))
    for (a, m), (b, n) in itertools.permutations(whole.items(), 2):
        if m % n == 0 and m > n:
            found.append((m // n, f"{a} / {b}"))
    return found


def _is_count(name: str, sample: Sample, own: tuple[int, ...]) -> bool:
    """Whether a size is that of the batch, of everything, or of an axis that was summed away."""
    if ".shape" not in name:
        return name.endswith("size")
    if " " in name:  # two axes at once are summed over, or none
        return True
    return name.endswith("[0]") or sample.sizes[name] not in own


def _drops(sample: Sample) -> bool:
    """Whether the forward multiplies by zeros and one other number, as dropout does."""
    products = (o for o in sample.tape if o.f is operator.mul or o.f is np.multiply)
    factors = [a for o in products for a in o.given if np.size(a) > 1]
    return any(np.any(a == 0) and len(np.unique(a[a != 0])) == 1 for a in factors)


def number(ratio: float) -> str:
    """A factor in words, as a fraction where it is one.

    >>> number(1 / 7), number(2.5)
    ('1/7', '2.5')
    """
    if ratio and abs(1 / ratio - round(1 / ratio)) < 1e-6 and abs(ratio) < 1:
        return f"1/{round(1 / ratio)}"
    return f"{ratio:.6g}"
