"""Wrong gradients fail and are named; right ones pass, however odd the code around them is."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import special

from gradcheck import assert_gradients, check

OPTIONS = {}


def normal(*shape, seed=5, scale=1.0):
    return np.random.default_rng(seed).standard_normal(shape) * scale


# Wrong gradients


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(edit):
    def backward(dy, cache):
        x, w = cache
        return edit(dy @ w.T, x.T @ dy, dy.sum(0))

    return backward


def square_weight(x, w):
    return np.tanh(x @ w), (x, w)


def square_weight_transposed(dy, cache):
    x, w = cache
    dz = dy * (1 - np.tanh(x @ w) ** 2)
    return dz @ w.T, dz.T @ x


def mean(x):
    return x.mean(axis=0), x.shape


def mean_as_sum(dy, shape):
    return np.broadcast_to(dy, shape).copy()


def sigmoid(x):
    y = special.expit(x)
    return y, y


def sigmoid_ignores_dy(dy, y):
    return y * (1 - y)


def sigmoid_squares_dy(dy, y):
    return dy * np.abs(dy) * y * (1 - y)


def sigmoid_takes_a_sign(dy, y):
    return dy * y * (1 - y) + 1e-3


def sigmoid_nearly(dy, y):
    return dy * y * (1 - y) * (1 + 2e-6)


def sigmoid_one_entry(dy, y):
    dx = dy * y * (1 - y)
    dx[1, 2] *= 1 + 1e-3
    return dx


def sigmoid_without_derivative(dy, y):
    return dy


def embed(table, k):
    return table[k], (table.shape, k)


def embed_overwrites(dy, cache):
    shape, k = cache
    dtable = np.zeros(shape)
    dtable[k] = dy
    return dtable, None


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    return y, y


def softmax_diagonal(dy, y):
    return dy * y * (1 - y)


def two_outputs(x):
    return (np.sin(x), np.cos(x)), x


def two_outputs_one_used(dy, x):
    return dy[0] * np.cos(x)


def relu(x):
    return np.maximum(x, 0), x


def relu_leaks(dy, x):
    return np.where(x > 0, dy, 0.01 * dy)


X, W, B, S = normal(4, 3), normal(3, 5), normal(5), normal(3, 3)
WRONG = [
    # forward, backward, arrays, kind, argument
    (affine, affine_backward(lambda dx, dw, db: (-dx, dw, db)), (X, W, B), "sign", "x"),
    (
        affine,
        affine_backward(lambda dx, dw, db: (dx, dw / 4, db)),
        (X, W, B),
        "constant-factor",
        "w",
    ),
    (affine, affine_backward(lambda dx, dw, db: (dx, dw, db / 4)), (X, W, B), None, "b"),
    (affine, affine_backward(lambda dx, dw, db: (dx, dw, 0 * db)), (X, W, B), None, "b"),
    (
        affine,
        affine_backward(lambda dx, dw, db: (2 * dx, dw, -db)),
        (X, W, B),
        "constant-factor",
        "x",
    ),
    (square_weight, square_weight_transposed, (X, S), "transposed", "w"),
    (mean, mean_as_sum, (X,), "constant-factor", "x"),
    (sigmoid, sigmoid_ignores_dy, (X,), "ignores-upstream", "x"),
    (sigmoid, sigmoid_squares_dy, (X,), None, "x"),
    (sigmoid, sigmoid_takes_a_sign, (X,), None, "x"),
    (sigmoid, sigmoid_nearly, (X,), None, "x"),
    (sigmoid, sigmoid_one_entry, (X,), "unnamed", "x"),
    (sigmoid, sigmoid_without_derivative, (X,), "unnamed", "x"),
    (embed, embed_overwrites, (normal(6, 3), np.array([1, 4, 1, 0, 4])), "unnamed", "table"),
    (softmax, softmax_diagonal, (X,), "unnamed", "x"),
    (two_outputs, two_outputs_one_used, (X,), "unnamed", "x"),
    (relu, relu_leaks, (X,), "unnamed", "x"),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("f", "b", "arrays", "kind", "argument"), WRONG)
def test_a_wrong_gradient_fails_and_is_named(f, b, arrays, kind, argument, seed):
    report = check(f, b, *arrays, seed=seed)
    assert report.verdict == "fail"
    first = report.findings[0]
    assert first.argument == argument
    assert kind in (None, first.kind)
    if argument in report.arguments and first.kind != "ignores-upstream":
        assert report.arguments[argument].verdict == "fail"
    with pytest.raises(AssertionError, match="fail"):
        assert_gradients(f, b, *arrays, seed=seed)


def test_the_other_arguments_are_not_accused():
    wrong = affine_backward(lambda dx, dw, db: (dx, dw / 4, db))
    report = check(affine, wrong, X, W, B)
    assert {n: a.verdict for n, a in report.arguments.items()} == {
        "x": "pass",
        "w": "fail",
        "b": "pass",
    }
    assert {f.argument for f in report.findings} == {"w"}


# Right gradients in odd code


def take(table, k):
    return table[k], (table.shape, k)


def take_backward(dy, cache):
    shape, k = cache
    dtable = np.zeros(shape)
    np.add.at(dtable, k, dy)
    return dtable, None


def take_backward_bare(dy, cache):
    return take_backward(dy, cache)[0]


def affine_maybe(x, w, b=None):
    return (x @ w if b is None else x @ w + b), (x, w, b)


def affine_maybe_backward(dy, cache):
    x, w, b = cache
    return dy @ w.T, x.T @ dy, None if b is None else dy.sum(0)


def affine_list(dy, cache):
    x, w = cache
    return [dy @ w.T, x.T @ dy, dy.sum(0)]


def loss(x, t):
    d = x - t
    return np.mean(d**2), d


def loss_backward(dy, d):
    assert np.ndim(dy) == 0
    return dy * 2 * d / d.size, -dy * 2 * d / d.size


def loss_of_no_axes(x):
    return np.array(np.sum(np.sin(x))), x


def loss_of_no_axes_backward(dy, x):
    assert isinstance(dy, np.ndarray) and dy.shape == ()
    return dy * np.cos(x)


def python_float_loss(x):
    return float(np.sum(x**3)), x


def python_float_loss_backward(dy, x):
    return dy * 3 * x**2


class Saved:
    def __init__(self, **values):
        self.__dict__ |= values


@dataclass
class Record:
    x: np.ndarray
    call: object


def saved_in_a_class(x):
    return np.exp(x), Saved(y=np.exp(x), note={"a": [1]})


def saved_in_a_record(x):
    return np.exp(x), Record(x, lambda dy: dy * np.exp(x))


def nothing_saved(x):
    return 3 * x, None


def with_an_index(x):
    best = x.argmax(axis=1)
    return (x[np.arange(len(x)), best], best, x * x), (x, best)


def with_an_index_backward(dy, cache):
    x, best = cache
    dx = 2 * x * dy[2]
    dx[np.arange(len(x)), best] += dy[0]
    return dx


def noisy(x):
    print("forward", x.shape)
    return x * x, x


def noisy_backward(dy, x):
    print("backward", f"{dy.mean():.3f}")
    return 2 * dy * x


def transpose(x):
    return x.T, None


def strided_backward(dy, cache):
    wide = np.zeros((dy.shape[1], 2 * dy.shape[0]))
    wide[:, ::2] = dy.T
    return wide[:, ::2]


def broadcast(x):
    return np.broadcast_to(x, (4, *x.shape)), None


def in_place(x):
    y = x * 2
    y += 1
    y[y < 0] *= 0.5
    np.exp(y, out=y)
    return y, (x, y.copy())


def in_place_backward(dy, cache):
    x, y = cache
    dx = dy * y
    dx[2 * x + 1 < 0] *= 0.5
    dx *= 2
    return dx


def pool(x):
    h, w = x.shape[0] // 2, x.shape[1] // 2
    y = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            y[i, j] = np.max(x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
    return y, x


def pool_backward(dy, x):
    dx = np.zeros_like(x)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            a, b = np.unravel_index(window.argmax(), window.shape)
            dx[2 * i + a, 2 * j + b] += dy[i, j]
    return dx


def pool_backward_shared(dy, x):
    dx = np.zeros_like(x)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            mask = window == window.max()
            dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += mask / mask.sum() * dy[i, j]
    return dx


def upcast(x):
    ones = np.ones(x.shape[0])
    return ones @ x / np.sqrt(len(x)), (x.shape, np.sqrt(len(x)))


def upcast_backward(dy, cache):
    shape, root = cache
    return np.ones((shape[0], 1)) * dy / root


def layer_norm(x):
    z = x - x.mean(1, keepdims=True)
    s = np.sqrt((z**2).mean(1, keepdims=True) + 1e-30)
    return z / s, (z, s)


def layer_norm_backward(dy, cache):
    z, s = cache
    y = z / s
    return (dy - dy.mean(1, keepdims=True) - y * (dy * y).mean(1, keepdims=True)) / s


def configured(x, *, power=2, flip=False):
    return (-x if flip else x) ** power, (x, power, flip)


def configured_backward(dy, cache):
    x, power, flip = cache
    return (-1) ** (power * flip) * dy * power * x ** (power - 1)


def scaled(x, factor):
    return x * factor, factor


class Layer:
    def __init__(self, gain):
        self.gain = gain

    @property
    def squared(self):
        return self.gain**2

    def forward(self, x):
        return np.sinh(x) * self.squared, np.cosh(x)

    def backward(self, dy, cache):
        return dy * cache * self.squared


def recurrent(x, h):
    hs = [h]
    for row in x:
        hs.append(np.tanh(row + 0.5 * hs[-1]))
    return np.stack(hs[1:]), hs


def recurrent_backward(dy, hs):
    dx, dh = np.zeros_like(dy), np.zeros_like(hs[0])
    for t in reversed(range(len(dy))):
        dx[t] = (dy[t] + dh) * (1 - hs[t + 1] ** 2)
        dh = 0.5 * dx[t]
    return dx, dh


def own_closure(x):
    y = np.arctan(x)

    def pull(dy):
        return dy / (1 + x * x)

    return y, pull


def dropout(x, mask):
    return x * mask / 0.75, mask


def total(x):
    t = 0.0
    for v in x.ravel():
        t += v * v
    return t, x


K = np.array([1, 4, 1, 0, 4])
MASK = normal(4, 3, seed=9) > -0.5
RIGHT = {
    "integer argument, None in its slot": (take, take_backward, (normal(6, 3), K)),
    "integer argument, no slot": (take, take_backward_bare, (normal(6, 3), K)),
    "boolean argument": (dropout, lambda dy, m: (dy * m / 0.75, None), (X, MASK)),
    "optional argument given": (affine_maybe, affine_maybe_backward, (X, W, B)),
    "optional argument None": (affine_maybe, affine_maybe_backward, (X, W, None)),
    "optional argument left out": (
        affine_maybe,
        lambda dy, c: affine_maybe_backward(dy, c)[:2],
        (X, W),
    ),
    "an argument that is no array": (scaled, lambda dy, c: dy * c, (X, 3)),
    "a list returned": (affine, affine_list, (X, W, B)),
    "a scalar loss": (loss, loss_backward, (X, normal(4, 3, seed=6))),
    "a loss of no axes": (loss_of_no_axes, loss_of_no_axes_backward, (X,)),
    "a loss that is a Python float": (python_float_loss, python_float_loss_backward, (X,)),
    "cache in a class": (saved_in_a_class, lambda dy, c: dy * c.y, (X,)),
    "cache that does not pickle": (saved_in_a_record, lambda dy, c: c.call(dy), (X,)),
    "no cache": (nothing_saved, lambda dy, c: 3 * dy, (X,)),
    "a closure as cache": (own_closure, lambda dy, pull: pull(dy), (X,)),
    "outputs with an index among them": (with_an_index, with_an_index_backward, (X,)),
    "printing": (noisy, noisy_backward, (X,)),
    "a view returned": (transpose, lambda dy, c: dy.T, (X,)),
    "a strided gradient": (transpose, strided_backward, (X,)),
    "a read-only output": (broadcast, lambda dy, c: dy.sum(0), (X,)),
    "in place on its own arrays": (in_place, in_place_backward, (X,)),
    "relu, >": (relu, lambda dy, x: dy * (x > 0), (X,)),
    "relu, >=": (relu, lambda dy, x: dy * (x >= 0), (X,)),
    "max pooling": (pool, pool_backward, (normal(6, 8),)),
    "max pooling, shared": (pool, pool_backward_shared, (normal(6, 8),)),
    "upcasting": (upcast, upcast_backward, (X,)),
    "layer norm": (layer_norm, layer_norm_backward, (X,)),
    "methods": (Layer(3.0).forward, Layer(3.0).backward, (X,)),
    "two scales": (recurrent, recurrent_backward, (X, normal(3, seed=8, scale=1e-3))),
    "a scalar loop": (total, lambda dy, x: 2 * dy * x, (X,)),
    "x of no axes": (lambda x: (x**3, x), lambda dy, x: 3 * dy * x**2, (np.array(1.7),)),
    "one entry": (lambda x: (np.sin(x), x), lambda dy, x: dy * np.cos(x), (np.array([0.3]),)),
    "fortran order": (relu, lambda dy, x: dy * (x > 0), (np.asfortranarray(X),)),
    "float32 given": (relu, lambda dy, x: dy * (x > 0), (X.astype(np.float32),)),
    "a gradient of zero": (
        lambda x, z: (x + 0 * z, None),
        lambda dy, c: (dy, np.zeros((4, 3))),
        (X, X[::-1].copy()),
    ),
    "a constant ignored": (
        lambda x, k: (2 * x, None),
        lambda dy, c: (2 * dy, np.zeros(2)),
        (X, B[:2]),
    ),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_passes(name, seed):
    f, b, arrays = RIGHT[name]
    report = check(f, b, *arrays, seed=seed)
    assert report.verdict == "pass", str(report)
    assert not report.findings
    assert set(report.arguments) and all(a.verdict == "pass" for a in report.arguments.values())


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("power", [2, 3])
def test_configuration_reaches_the_forward(power, flip):
    config = {"power": power, "flip": flip}
    report = check(configured, configured_backward, X, config=config)
    assert report.verdict == "pass"
    assert report.case["config"] == config
    wrong = check(
        configured, lambda dy, c: configured_backward(dy, (c[0], 2, flip)), X, config=config
    )
    assert wrong.verdict == ("pass" if power == 2 else "fail")


SCALED = {
    "affine": (affine, affine_backward(lambda *g: g), (X, W, B)),
    "sigmoid": (sigmoid, lambda dy, y: dy * y * (1 - y), (X,)),
    "softmax": (softmax, lambda dy, y: y * (dy - (dy * y).sum(-1, keepdims=True)), (X,)),
    "layer norm": (layer_norm, layer_norm_backward, (X,)),
    "recurrent": (recurrent, recurrent_backward, (X, normal(3))),
    "relu": (relu, lambda dy, x: dy * (x > 0), (X,)),
    "max pooling": (pool, pool_backward, (normal(6, 8),)),
}


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 10.0, 1e3, 1e6])
@pytest.mark.parametrize("name", SCALED)
def test_a_right_gradient_never_fails_at_any_scale(name, scale):
    f, b, arrays = SCALED[name]
    for seed in range(3):
        report = check(f, b, *(a * scale for a in arrays), seed=seed)
        assert report.verdict in ("pass", "unresolved"), str(report)
        if name in ("affine", "relu", "max pooling") or scale <= 10:
            assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("name", ["affine", "relu", "max pooling"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_a_wrong_gradient_fails_at_any_scale(name, scale):
    f, b, arrays = SCALED[name]

    def wrong(dy, cache):
        grads = b(dy, cache)
        return (1.01 * grads[0], *grads[1:]) if isinstance(grads, tuple) else 1.01 * grads

    assert check(f, wrong, *(a * scale for a in arrays)).verdict == "fail"


def single_inside(x):
    return np.sin(x.astype(np.float32)).astype(np.float64), x


def test_a_forward_in_single_precision_is_judged_by_what_that_can_show():
    for seed in range(5):
        right = check(single_inside, lambda dy, x: dy * np.cos(x), X, seed=seed)
        assert right.verdict == "pass", str(right)
        assert 1e-7 < right.arguments["x"].resolution < 1e-2
        wrong = check(single_inside, lambda dy, x: 1.1 * dy * np.cos(x), X, seed=seed)
        assert wrong.verdict == "fail"


def test_a_saturated_sigmoid_is_right_or_too_flat_to_tell():
    for seed in range(5):
        x = np.array([-40.0, 60.0, 700.0, -700.0, 38.0])
        report = check(sigmoid, lambda dy, y: dy * y * (1 - y), x, seed=seed)
        assert report.verdict in ("pass", "unresolved"), str(report)


TIES = np.array([[0.0, 1.0, 1.0, 0.0], [2.0, -1.0, 0.0, 0.0]])
AT_TIES = {
    "relu, >": (relu, lambda dy, x: dy * (x > 0)),
    "relu, >=": (relu, lambda dy, x: dy * (x >= 0)),
    "relu, 1/2": (relu, lambda dy, x: dy * np.heaviside(x, 0.5)),
    "abs": (lambda x: (np.abs(x), x), lambda dy, x: dy * np.sign(x)),
    "max": (
        lambda x: (x.max(1), x),
        lambda dy, x: dy[:, None] * (x.argmax(1)[:, None] == np.arange(4)),
    ),
    "max pooling": (pool, pool_backward),
    "max pooling, shared": (pool, pool_backward_shared),
    "clip": (lambda x: (np.clip(x, 0, 1), x), lambda dy, x: dy * (x > 0) * (x < 1)),
    "maximum": (
        lambda x: (np.maximum(x[:, 1:], x[:, :-1]), x),
        lambda dy, x: maximum_backward(dy, x),
    ),
    "sort": (
        lambda x: (np.sort(x, 1), np.argsort(x, 1, kind="stable")),
        lambda dy, k: unsorted(dy, k),
    ),
}


def maximum_backward(dy, x):
    left = x[:, :-1] > x[:, 1:]
    dx = np.zeros_like(x)
    dx[:, :-1] += left * dy
    dx[:, 1:] += ~left * dy
    return dx


def unsorted(dy, k):
    dx = np.zeros_like(dy)
    np.put_along_axis(dx, k, dy, 1)
    return dx


@pytest.mark.parametrize("name", AT_TIES)
def test_a_valid_choice_at_a_tie_never_fails(name):
    f, b = AT_TIES[name]
    for seed in range(4):
        report = check(f, b, TIES, seed=seed)
        assert report.verdict in ("pass", "kink"), str(report)
        assert {x.kind for x in report.findings} <= {"kink-convention"}


@pytest.mark.parametrize("factor", [2.0, -1.0])
def test_no_choice_at_all_at_a_tie_fails(factor):
    report = check(relu, lambda dy, x: factor * dy * (x > 0), TIES)
    assert report.verdict == "fail", str(report)


def test_the_same_seed_gives_the_same_report():
    a, b = (check(affine, affine_backward(lambda *g: g), X, W, B, seed=4) for _ in range(2))
    assert {**a.to_dict(), "seconds": 0} == {**b.to_dict(), "seconds": 0}


# What a report says


def said(report):
    """The report's text, its figures and paths left out."""
    text = re.sub(r"\d(\.\d+)?e[-+]\d+", "#", str(report))
    return re.sub(r"\((/|[A-Z]:)[^()]*:\d+\)", "(FILE:LINE)", text)


def test_what_a_report_of_a_pass_says():
    assert said(check(affine, affine_backward(lambda *g: g), X, W, B, seed=2)) == (
        "affine: pass\n"
        "  x: pass, error # (bound #), would have seen #\n"
        "  w: pass, error # (bound #), would have seen #\n"
        "  b: pass, error # (bound #), would have seen #\n"
        "  case: float64, seed 2"
    )


def test_what_a_report_of_a_wrong_factor_says():
    wrong = affine_backward(lambda dx, dw, db: (dx, dw / 4, db))
    message = "dw is 1/4 times the right gradient at all 15 entries"
    assert said(check(affine, wrong, X, W, B)) == (
        f"affine: fail: {message}\n"
        "  x: pass, error # (bound #), would have seen #\n"
        "  w: fail, error # (bound #), would have seen #\n"
        "  b: pass, error # (bound #), would have seen #\n"
        f"  constant-factor: {message}\n"
        "  case: float64, seed 0"
    )


def test_what_a_report_of_a_broken_contract_says():
    def backward(dy, cache):
        raise NotImplementedError

    assert said(check(sigmoid, backward, X)) == (
        "sigmoid: error: sigmoid: the backward is not implemented\n"
        "  not-implemented: sigmoid: the backward is not implemented (FILE:LINE)\n"
        "  case: float64, seed 0"
    )


def test_one_wrong_entry_of_many_is_found():
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((40, 30)), rng.standard_normal((30, 20))

    def backward(dy, cache):
        dx, dw = dy @ cache[1].T, cache[0].T @ dy
        dx[17, 5] *= 1.5
        return dx, dw

    report = check(lambda x, w: (x @ w, (x, w)), backward, x, w)
    assert {n: a.verdict for n, a in report.arguments.items()} == {"x": "fail", "w": "pass"}
    assert "so it is at dx[17, 5]: got" in report.message
