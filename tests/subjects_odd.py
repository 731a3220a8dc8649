"""NumPy functions as users write them, each odd in its own way; none of them is ours to change.

Each takes `x` (4, 6), positive and negative, `v` (6,) and an integer vector `k` (5,), and returns
what it likes.
"""

import dataclasses
import functools
import math
from collections import namedtuple
from contextlib import contextmanager, suppress

import numpy as np
import scipy.special as sp
from numpy import exp, tanh
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy.special import softmax

CALLS = 0
TABLE = {"tanh": tanh, "double": lambda z: 2 * z, "half": lambda z: z / 2}
Pair = namedtuple("Pair", "left right")


def early_return(x, v, k):
    if x.sum() > 1e9:
        return None
    for row in x:
        if row[0] < 0:
            return row * 2 + v
    return x


def walrus(x, v, k):
    while (s := np.abs(x).max()) > 0.5:
        x = x / (1 + s)
    return [t for r in x if (t := float(r @ v)) > -9], s


def chained_assignment(x, v, k):
    a = b = x * v
    a += 1
    c, d = e = b[0], b[1]
    return a, b, c, d, e


def starred_assignment(x, v, k):
    first, *rest = x * 3
    *head, (p, q), last = [1.5 * x[0], (x[1] + v, x[2] - v), x[3] / 2]
    [a, b] = head[0][:2]
    return first, rest, p, q, last, a, b


def swap(x, v, k):
    a, b = x[0] * 2, x[1] + 1
    a, b = b, a
    x = x.copy()
    x[[0, 2]] = x[[2, 0]]
    return a, b, x


def closures(x, v, k):
    total = np.zeros(6)

    def add(row, scale=2.0):
        nonlocal total
        total = total + scale * row
        return lambda: total * scale

    late = [add(row) for row in x]
    return [f() for f in late], total


def make_counter():
    count = 0

    def step(z):
        nonlocal count
        count += 1
        return z * count

    return step


def recursion(x, v, k):
    def fold(rows):
        return rows[0] if len(rows) == 1 else tanh(fold(rows[:-1]) @ v * rows[-1] + rows[-1])

    return fold(list(x)), factorial(6)


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def comprehensions(x, v, k):
    squares = {i: r @ r for i, r in enumerate(x) if i != 1}
    kinds = {int(i) % 3 for i in k}
    nested = [[a * b for b in v if b < 1] for a in x[0]]
    return squares, kinds, nested


def generator(x, v, k):
    def running(rows):
        total = 0.0
        for row in rows:
            total = total + row * v
            got = yield total
            if got is not None:
                total = total - got
        return total

    it = running(x)
    first = next(it)
    second = it.send(first / 3)

    def chain():
        last = yield from running(x)
        yield last

    return first, second, list(it), list(chain()), sum(float(r[0]) for r in x)


def nested_with_annotation(x, v, k):
    def scaled(z: "np.ndarray", by: float = 2.0 * 3, *more: int, sign: int = -1) -> np.ndarray:
        out: np.ndarray = z * by + sum(more)
        unset: int  # noqa: F842
        return sign * out

    return scaled(x, 1.5, 1, 2, sign=1), scaled(v)


def lambdas(x, v, k):
    f = lambda z, w=v * 2: z * w  # noqa: E731
    g = (lambda h: lambda z: h(h(z)))(f)
    return f(x), g(x), sorted(v, key=lambda z: -abs(z))


def out_argument(x, v, k):
    buffer, mask = np.empty_like(x), np.empty(x.shape, bool)
    np.multiply(x, v, out=buffer)
    y = np.exp(buffer, out=buffer)
    np.greater(x, 0, out=mask)
    np.add(y, 1, out=y, where=mask)
    np.matmul(x, x.T, out=(square := np.zeros((4, 4))))
    return buffer, y is buffer, mask, square


def views_written_through(x, v, k):
    y = np.zeros((5, 8))
    inner = y[1:, 1:-1]
    inner[:] = x
    flat = y.reshape(-1)
    flat[::7] = -1.0
    seen = np.zeros(y.shape, bool)
    seen.ravel()[k] = True
    transposed = y.T
    transposed[2] *= 3
    store = {}
    store.setdefault("grad", np.zeros(6))
    store["grad"] += v
    store.get("grad")[1] = 7
    return y, seen, store


def augmented(x, v, k):
    class Box:
        value = 1.0

    box, d, y, n = Box(), {"a": v.copy(), "n": 0}, x.copy(), 0
    y += 1
    y[1] -= v
    y[1:3, ::2] *= 2
    y[[0, 2]] /= 3
    y[y > 0.5] -= 0.5
    y[..., -1] **= 2
    y[k[0] % 4, min(k[1], 5)] += 10
    box.value += v
    box.value *= y[0]
    d["a"] -= y[2]
    d["n"] += 1
    n |= 6
    n <<= 1
    rows = iter(range(4))
    y[next(rows)] += 1
    y[next(rows) : next(rows) + 1] += 100
    return y, box.value, d, n, next(rows)


def augmented_twice(x, v, k):
    log = []

    class Loud:
        total = 0.0

        @property
        def sum(self):
            log.append("read")
            return self

    loud = Loud()
    loud.sum.total += v[0]
    loud.sum.total += v[1]
    return loud.total, log


def by_nditer(x, v, k):
    y = np.empty_like(x)
    it = np.nditer(x, flags=["multi_index"])
    while not it.finished:
        i = it.multi_index
        y[i] = it[0] ** 2 + v[i[1]]
        it.iternext()
    with np.nditer([x, None]) as pair:
        for a, b in pair:
            b[...] = 2 * a
        return y, pair.operands[1]


def by_vectorize(x, v, k):
    return np.vectorize(lambda a: a if a > 0 else math.exp(a) - 1)(x), hinge(x, 0.25)


@np.vectorize
def hinge(a, margin):
    return max(a - margin, 0.0)


def along_axis(x, v, k):
    return np.apply_along_axis(lambda r: r * v - r.max(), 1, x)


def strided(x, v, k):
    s = v.strides[0]
    return as_strided(v, (4, 3), (s, s)).sum(1), sliding_window_view(x, (2, 3)).mean((2, 3))


def python_floats(x, v, k):
    total = 0.0
    for a in x.ravel().tolist():
        total += math.tanh(a) * float(a) ** 2
    return total, float(x[0, 0]) * 3, complex(x[0, 1], 2).imag


def imported_names(x, v, k):
    return exp(x) + tanh(v), sp.expit(x), softmax(x, axis=1), sp.logsumexp(x, axis=0)


def exceptions(x, v, k):
    got = []
    for divisor in (2, 0, "a"):
        try:
            got.append(6 / divisor)
        except ZeroDivisionError as error:
            got.append(str(error))
        except TypeError:
            got.append("type")
        else:
            got.append("fine")
        finally:
            got.append("done")
    with suppress(KeyError):
        {}["nothing"]
        got.append("never")
    return got


@contextmanager
def scaled_by(factor):
    yield factor * 2.0


def with_statement(x, v, k):
    with np.errstate(all="ignore"), scaled_by(3.0) as by:
        return np.log(x * by)


def matching(x, v, k):
    out = []
    for shape in (x.shape, (2, {"w": v, "b": 3}), [1, -2.5], Pair(1.0, x), "none", 3 + 4j, 5):
        match shape:
            case (4, n) if n > 5:
                out.append(n * 2)
            case (2, {"w": w, **rest}):
                out += [w * 3, rest]
            case [int(a), -2.5 as b]:
                out.append(a + b)
            case Pair(left=1.0, right=r):
                out.append(r.sum())
            case 3 + 4j:
                out.append("complex")
            case "none" | None:
                out.append("none")
            case _:
                out.append(-1)
    return out


def f_strings(x, v, k):
    width = 3
    return f"{x.shape=} {float(v[0] * 2):>{width + 5}.3f} {'yes' if v[0] > 0 else 'no'!r}"


def logged(tag):
    def decorate(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            return (tag, f(*args, **kwargs) * 2)

        return wrapper

    return decorate


@logged("a")
@functools.lru_cache
def cached(n):
    return n * n + 1


@logged("b")
def decorated(x, v, k):
    """Its docstring."""
    return x * v + cached(3)[1]


class Base:
    scale = 2.0

    def __init__(self, w):
        self.w = w
        self.__hidden = w * 2

    def forward(self, x):
        return x * self.w * self.scale + self.__hidden

    @property
    def norm(self):
        return np.sqrt(self.w @ self.w)

    @staticmethod
    def double(z):
        return z + z

    @classmethod
    def make(cls, w):
        return cls(w / 2)

    def __call__(self, x):
        return self.forward(x)

    def __matmul__(self, other):
        return self.w @ other


class Derived(Base):
    def __init__(self, w):
        super().__init__(w + 1)

    def forward(self, x):
        return super().forward(x) - self.norm


class Empty(Derived):
    pass


def classes(x, v, k):
    layer = Empty.make(v)
    return layer(x), layer.norm, layer.double(v), Base.double(v), layer @ v


@dataclasses.dataclass
class Config:
    rate: float = 0.5
    sizes: tuple = (2, 3)
    act: object = tanh

    def __post_init__(self):
        self.area = self.sizes[0] * self.sizes[1]

    def apply(self, z):
        return self.act(z * self.rate) + self.area


def dataclass(x, v, k):
    config = dataclasses.replace(Config(), rate=0.25)
    return config.apply(x), config == Config(0.25)


def partials(x, v, k):
    f = functools.partial(power, p=3)
    g = functools.partial(f, x)
    return f(v), g(), functools.reduce(lambda a, b: a * b + 1, x), list(map(power, v))


def power(z, p=2):
    return z**p


def with_global(x, v, k):
    global CALLS
    before = CALLS
    CALLS += 1
    CALLS = CALLS + 1
    return CALLS - before, TABLE["double"](v), [f(v) for f in TABLE.values()]


def solve(x, *, f, site=None, self=None):
    return f(x) + site + self


def awkward_keywords(x, v, k):
    return solve(x, f=tanh, site=3, self=v), dict(f=1, site=2, args=3)


def star_arguments(x, v, k):
    def gather(*args, **kwargs):
        return len(args), sorted(kwargs), kwargs["w"] * args[0]

    more = {"w": v}
    return gather(*x, *x[:2], **more, b=1), [*x, *v], {**more, "x": x}


def comparisons(x, v, k):
    low = -1
    return low < float(v[0]) <= 3 != 4, v is not None, 2 in k, (x > 0) & ~(x < 1), not v.any()


def inside_imports(x, v, k):
    from math import hypot

    import numpy.linalg as la

    return la.norm(x), hypot(3, 4), la.inv(x @ x.T + 5 * np.eye(4))


def frames(x, v, k):
    a = v * 2
    seen = sorted(n for n in locals() if n in "axvk")
    return seen, "frames" in globals(), sorted(vars()), len(dir()), eval("a + 1")


def matrices(x, v, k):
    scalar = np.array(2.5)
    scalar[()] += 1
    return np.einsum("ij,j->i", x, v), np.tensordot(x, x, (1, 1)), scalar * x, x.T @ x


SUBJECTS = [
    early_return,
    walrus,
    chained_assignment,
    starred_assignment,
    swap,
    closures,
    recursion,
    comprehensions,
    generator,
    nested_with_annotation,
    lambdas,
    out_argument,
    views_written_through,
    augmented,
    augmented_twice,
    by_nditer,
    by_vectorize,
    along_axis,
    strided,
    python_floats,
    imported_names,
    exceptions,
    with_statement,
    matching,
    f_strings,
    decorated,
    classes,
    dataclass,
    partials,
    with_global,
    awkward_keywords,
    star_arguments,
    comparisons,
    inside_imports,
    frames,
    matrices,
]
