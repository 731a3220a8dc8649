"""Pairs that break the contract: each is found, named, and blamed on the right argument."""

import numpy as np
import pytest

from gradcheck import check

STATE = {}
LAST = {}


def point():
    rng = np.random.default_rng(3)
    return rng.standard_normal((4, 3)), rng.standard_normal((3, 5))


def product(x, w):
    return x @ w, (x, w)


def product_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy


def forward_writes_input(x, w):
    y = x @ w
    x *= 2
    return y, (x / 2, w)


def forward_writes_through_a_view(x, w):
    y = x @ w
    w.T[0] += 1
    return y, (x, w - np.eye(5)[0])


def backward_writes_input(dy, cache):
    x, w = cache
    dx, dw = dy @ w.T, x.T @ dy
    w[:] = 0
    return dx, dw


def cubed(x, w):
    return x**3 @ w, {"x": x, "w": w, "square": x * x}


def cubed_backward_spoils_its_cache(dy, cache):
    dw = (cache["x"] ** 3).T @ dy
    cache["square"] *= 3
    return cache["square"] * (dy @ cache["w"].T), dw


def cubed_backward_notes_in_its_cache(dy, cache):
    cache["calls"] = 1
    return 3 * cache["square"] * (dy @ cache["w"].T), (cache["x"] ** 3).T @ dy


def backward_empties_its_cache(dy, cache):
    x, w = cache.pop("x"), cache.pop("w")
    return 3 * cache["square"] * (dy @ w.T), (x**3).T @ dy


def backward_writes_dy(dy, cache):
    x, w = cache
    dy *= 2
    return dy @ w.T / 2, x.T @ dy / 2


def random_forward(x, w):
    mask = np.random.random(x.shape) > 0.5  # noqa: NPY002
    return (x * mask) @ w, (x, mask, w)


def random_backward(dy, cache):
    x, mask, w = cache
    return mask * (dy @ w.T), (x * mask).T @ dy


def random_loss(x, w):
    noise = np.random.standard_normal()  # noqa: NPY002
    return np.sum(x @ w) * noise, (x, w, noise)


def random_loss_backward(dy, cache):
    x, w, noise = cache
    ones = np.ones((x.shape[0], w.shape[1])) * dy * noise
    return ones @ w.T, x.T @ ones


def stale_global(x, w):
    LAST["x"] = x
    return x @ w, w


def stale_global_backward(dy, w):
    return dy @ w.T, LAST["x"].T @ dy


def counting_backward(dy, cache):
    STATE["calls"] = STATE.get("calls", 0) + 1
    x, w = cache
    return dy @ w.T * STATE["calls"], x.T @ dy


def returns(edit):
    def backward(dy, cache):
        return edit(*product_backward(dy, cache))

    return backward


def raises(error):
    def backward(dy, cache):
        raise error

    return backward


def never(x, w):
    raise RuntimeError("no such thing")


def forward_not_implemented(x, w):
    raise NotImplementedError


def alone(x, w):
    return x @ w


BROKEN = [
    # forward, backward, verdict, kind, argument, words
    (
        forward_writes_input,
        product_backward,
        "fail",
        "mutates",
        "x",
        "forward writes into its input x",
    ),
    (forward_writes_through_a_view, product_backward, "fail", "mutates", "w", "input w"),
    (product, backward_writes_input, "fail", "mutates", "w", "backward writes into its input w"),
    (product, backward_writes_dy, "fail", "mutates", "dy", "belongs to its caller"),
    (cubed, cubed_backward_spoils_its_cache, "fail", "not-repeatable", None, "changes its cache"),
    (cubed, cubed_backward_notes_in_its_cache, "fail", "mutates", None, "writes into its cache"),
    (cubed, backward_empties_its_cache, "fail", None, None, "KeyError"),
    (random_forward, random_backward, "fail", "not-repeatable", None, "seed it"),
    (random_loss, random_loss_backward, "fail", "not-repeatable", None, "seed it"),
    (stale_global, stale_global_backward, "fail", "not-repeatable", None, "the last forward"),
    (product, counting_backward, "fail", "not-repeatable", None, "called twice"),
    (product, returns(lambda dx, dw: dx), "fail", "shape", None, "1 gradients; wanted 2"),
    (product, returns(lambda dx, dw: (dx, dw, dw)), "fail", "shape", None, "3 gradients; wanted 2"),
    (product, returns(lambda dx, dw: (dx, dw.T)), "fail", "shape", "w", "(5, 3); wanted (3, 5)"),
    (product, returns(lambda dx, dw: (dx.sum(0), dw)), "fail", "shape", "x", "(3,); wanted (4, 3)"),
    (product, returns(lambda dx, dw: (dw, dx)), "fail", "shape", "x", "(3, 5); wanted (4, 3)"),
    (product, returns(lambda dx, dw: (dx.astype(np.float32), dw)), "fail", "dtype", "x", "float32"),
    (product, returns(lambda dx, dw: (dx, dw.astype(int))), "fail", "dtype", "w", "int64"),
    (product, returns(lambda dx, dw: (None, dw)), "fail", "missing-term", "x", "None"),
    (product, returns(lambda dx, dw: (dx, dw * np.nan)), "fail", "non-finite", "w", "15 of 15"),
    (
        product,
        returns(lambda dx, dw: (dx / np.r_[0, 1, 1], dw)),
        "fail",
        "non-finite",
        "x",
        "4 of 12",
    ),
    (product, raises(ValueError("bad axis")), "fail", "raises", None, "ValueError: bad axis"),
    (product, raises(NotImplementedError()), "error", "not-implemented", None, "not implemented"),
    (never, product_backward, "error", "raises", None, "the forward raised RuntimeError: no such"),
    (forward_not_implemented, product_backward, "error", "not-implemented", None, "the forward"),
    (alone, product_backward, "fail", "shape", None, "wanted the pair (y, cache)"),
]


@pytest.mark.parametrize(("f", "b", "verdict", "kind", "argument", "words"), BROKEN)
def test_a_broken_contract_is_found_and_named(f, b, verdict, kind, argument, words):
    report = check(f, b, *point())
    assert report.verdict == verdict
    first = report.findings[0]
    assert kind in (None, first.kind)
    assert first.argument == argument
    assert words in str(report)
    assert report.message == first.message


def test_the_pair_that_they_break_is_right():
    for f, b in ((product, product_backward), (cubed, lambda dy, c: cubed_right(dy, c))):
        report = check(f, b, *point())
        assert (report.verdict, report.findings) == ("pass", ())


def cubed_right(dy, cache):
    return 3 * cache["square"] * (dy @ cache["w"].T), (cache["x"] ** 3).T @ dy


@pytest.mark.parametrize(
    ("f", "b", "code"),
    [
        (forward_writes_input, product_backward, "x *= 2"),
        (forward_writes_through_a_view, product_backward, "w.T[0] += 1"),
        (product, backward_writes_input, "w[:] = 0"),
        (product, backward_writes_dy, "dy *= 2"),
        (never, product_backward, 'raise RuntimeError("no such thing")'),
        (product, raises(ValueError("bad axis")), "raise error"),
    ],
)
def test_the_line_is_that_of_the_deed(f, b, code):
    finding = check(f, b, *point()).findings[0]
    assert finding.file == __file__
    with open(finding.file) as file:
        assert file.read().splitlines()[finding.line - 1].strip() == code


def test_the_arrays_of_the_caller_stay_as_they_are():
    x, w = point()
    for f, b in ((forward_writes_input, product_backward), (product, backward_writes_input)):
        check(f, b, x, w)
    assert (x == point()[0]).all() and (w == point()[1]).all()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((np.array([1, 2]),), "no argument is a float array"),
        ((), "got none"),
        ((np.array([1.0, np.nan]),), "1 non-finite"),
        ((np.array([np.inf, -np.inf]),), "2 non-finite"),
        ((np.zeros((3, 0)),), "an empty array"),
    ],
)
def test_inputs_that_no_check_can_use_are_refused(arrays, words):
    with pytest.raises(ValueError, match=words):
        check(lambda *x: (x[0], None), lambda dy, cache: dy, *arrays)


BUFFER = np.zeros((4, 3))


def doubled(x):
    return 2 * x, None


def hands_out_its_buffer(dy, cache):
    return np.multiply(2, dy, out=BUFFER)


def forward_hands_out_its_buffer(x):
    return np.multiply(2, x, out=BUFFER), None


@pytest.mark.parametrize(
    ("f", "backward", "words"),
    [
        (
            doubled,
            hands_out_its_buffer,
            "the backward writes again into gradients that it returned",
        ),
        (forward_hands_out_its_buffer, lambda dy, c: 2 * dy, "the forward writes again into a y"),
    ],
)
def test_a_buffer_handed_out_twice(f, backward, words):
    x, _ = point()
    report = check(f, backward, x)
    assert report.verdict == "fail"
    assert report.message.startswith(words)
    assert len(report.findings) == 1


def neighbours(x):
    step = x.itemsize  # as if entries always lay side by side
    pairs = np.lib.stride_tricks.as_strided(x, (len(x) - 1, 2), (step, step))
    total = pairs.sum(1)
    return total**2, total


def neighbours_backward(dy, total):
    dx = np.zeros(len(total) + 1)
    dx[1:] += 2 * total * dy
    dx[:-1] += 2 * total * dy
    return dx


def test_strides_that_are_assumed():
    report = check(neighbours, neighbours_backward, point()[0].ravel())
    assert report.verdict == "fail"
    assert report.message == "dx is another where the arrays are not contiguous in memory"


def test_what_does_not_take_strided_or_read_only_arrays_is_noted():
    def flat(x):
        view = x.view()
        view.shape = (x.size,)  # refused where a copy would be needed
        return view * view, x

    report = check(flat, lambda dy, x: 2 * x * dy.reshape(x.shape), point()[0])
    assert report.verdict == "pass"
    assert report.notes[0].startswith("does not take arrays that are not contiguous in memory: ")

    def for_a_while(x):
        x[0] += 1
        y, moved = x * x, x.copy()
        x[0] -= 1
        return y, moved

    report = check(for_a_while, lambda dy, moved: 2 * moved * dy, np.array([1.0, 2.0, 4.0]))
    assert report.verdict == "pass"
    assert "it does not take read-only arrays" in report.notes[0]


def test_none_for_an_argument_that_was_not_given():
    def affine(x, w, b=None):
        return x @ w + (0 if b is None else b), (x, w)

    def affine_backward(dy, cache):
        x, w = cache
        return dy @ w.T, x.T @ dy, None

    assert check(affine, affine_backward, *point()).verdict == "pass"
