"""The reader of shape strings, and every message it gives, word for word."""

import numpy as np
import pytest
from jaxtyping import Bool, Float, Integer

from scratchnn.ops.affine import linear
from scratchnn.ops.losses import cross_entropy
from scratchnn.ops.regression_losses import mse
from scratchnn.shapes import Axis, bind, expect, read, shape, specs

Array = np.ndarray
zeros = np.zeros


def gates(w: Float[Array, "D 4*H"], h: Float[Array, "N H"]): ...
def grouped(x: Float[Array, "N {groups}*G"], w: Float[Array, "G K"] | None = None): ...
def blocks(x: Float[Array, "N {r}**2*C"]): ...
def any_batch(x: Float[Array, "*batch D"], mask: Bool[Array, "*batch"]): ...
def only_gates(b: Float[Array, " 4*H"]): ...
def pixel(x: Float[Array, "N 3"]): ...
def loose(x: Float[Array, "_ N"], y: Float[Array, "_ N"], k: int = 1, *, eps=0.0): ...


@pytest.mark.parametrize(
    ("text", "axes", "printed"),
    [
        ("N H", (Axis("N"), Axis("H")), "(N, H)"),
        (" C", (Axis("C"),), "(C,)"),
        ("", (), "()"),
        ("*batch D", (Axis("batch", star=True), Axis("D")), "(*batch, D)"),
        ("3 4*H", (Axis("", 3), Axis("H", 4)), "(3, 4*H)"),
        ("{groups}*G", (Axis("G", "groups"),), "({groups}*G,)"),
        ("{r}**2*C 2**3*K", (Axis("C", "r", power=2), Axis("K", 2, power=3)), "({r}**2*C, 2**3*K)"),
    ],
)
def test_read(text, axes, printed):
    spec = read("x", Float[Array, text])
    assert (spec.name, spec.axes, str(spec)) == ("x", axes, printed)


def test_read_kinds_and_options():
    assert read("x", int) is None
    annotations = Float[Array, "N"], Integer[Array, "N"], Bool[Array, "N"], Float[Array, "N"] | None
    found = [read("x", a) for a in annotations]
    assert [s.kind for s in found] == ["float", "int", "bool", "float"]
    assert [s.optional for s in found] == [False, False, False, True]


@pytest.mark.parametrize("token", ["H-1", "H/2", "H*4", "#N", "...", "N=3", "4*", "4**2"])
def test_an_axis_that_cannot_be_read(token):
    with pytest.raises(ValueError) as error:
        read("x", Float[Array, f"N {token}"])
    assert str(error.value) == (
        f"x: cannot read axis {token!r} of shape 'N {token}'; "
        "write a name, a number, *batch or a multiple such as 4*H"
    )


def test_specs_are_the_positional_parameters():
    x, y, k = specs(loose)
    assert (x.name, y.name, k) == ("x", "y", None)


@pytest.mark.parametrize(
    ("f", "arrays", "config", "sizes"),
    [
        (gates, (zeros((5, 12)), zeros((2, 3))), {}, {"D": 5, "N": 2, "H": 3}),  # 4*H before H
        (only_gates, (zeros(8),), {}, {"H": 2}),
        (grouped, (zeros((7, 6)), None), {"groups": 3}, {"N": 7, "G": 2}),
        (grouped, (zeros((7, 6)), zeros((2, 5))), {"groups": 3}, {"N": 7, "G": 2, "K": 5}),
        (blocks, (zeros((7, 18)),), {"r": 3}, {"N": 7, "C": 2}),
        (any_batch, (zeros(3), np.array(True)), {}, {"batch": (), "D": 3}),
        (any_batch, (zeros((2, 5, 3)), zeros((2, 5), bool)), {}, {"batch": (2, 5), "D": 3}),
        (loose, (zeros((2, 3)), zeros((5, 3)), 4), {}, {"N": 3}),  # _ is any size
        (pixel, (zeros((2, 3)),), {}, {"N": 2}),
    ],
)
def test_bind(f, arrays, config, sizes):
    assert bind(f, arrays, config) == sizes
    for spec, array in zip(specs(f), arrays, strict=True):
        if spec and array is not None and "_" not in [a.name for a in spec.axes]:
            assert shape(spec.axes, sizes, config) == array.shape


MESSAGES = [
    (
        linear,
        ([[1.0]], zeros((3, 2)), None),
        TypeError,
        "linear: x is a list; wanted a float array of shape (*batch, D); convert it with asarray",
    ),
    (
        linear,
        (zeros((4, 3)), None, None),
        TypeError,
        "linear: w is a NoneType; wanted a float array of shape (D, M); convert it with asarray",
    ),
    (
        linear,
        (zeros((4, 3), int), zeros((3, 2)), None),
        TypeError,
        "linear: x has dtype int64; wanted a float dtype; convert it with .astype('float64')",
    ),
    (
        cross_entropy,
        (zeros((4, 3)), zeros(4), None),
        TypeError,
        "cross_entropy: labels has dtype float64; wanted an integer dtype; "
        "convert it with .astype('int64')",
    ),
    (
        any_batch,
        (zeros((4, 3)), zeros(4)),
        TypeError,
        "any_batch: mask has dtype float64; wanted a boolean dtype; "
        "compare, or convert it with .astype(bool)",
    ),
    (
        linear,
        (zeros((4, 3)), zeros(3), None),
        ValueError,
        "linear: w has shape (3,); wanted 2 axes, (D, M); reshape it",
    ),
    (
        linear,
        (np.array(1.0), zeros((3, 2)), None),
        ValueError,
        "linear: x has shape (); wanted at least 1 axes, (*batch, D); reshape it",
    ),
    (
        linear,
        (zeros((0, 3)), zeros((3, 2)), None),
        ValueError,
        "linear: x has shape (0, 3), an empty array; wanted (*batch, D) with at least one entry "
        "along each axis; leave the empty batch out",
    ),
    (
        linear,
        (zeros((4, 3)), zeros((2, 3)), zeros(2)),
        ValueError,
        "linear: w has shape (2, 3), but its axis D must be 3 (D = 3 from x); w.T would fit",
    ),
    (
        linear,
        (zeros((4, 3)), zeros((5, 7)), None),
        ValueError,
        "linear: w has shape (5, 7), but its axis D must be 3 (D = 3 from x); wanted (D, M)",
    ),
    (
        linear,
        (zeros((4, 3)), zeros((3, 2)), zeros(3)),
        ValueError,
        "linear: b has shape (3,), but its axis M must be 2 (M = 2 from w); wanted (M,)",
    ),
    (
        mse,
        (zeros((2, 3)), zeros((3, 2))),
        ValueError,
        "mse: target has shape (3, 2), but its axis *batch must be (2, 3) (batch = (2, 3) from x); "
        "wanted (*batch,)",
    ),
    (
        gates,
        (zeros((5, 8)), zeros((2, 3))),
        ValueError,
        "gates: w has shape (5, 8), but its axis 4*H must be 12 (H = 3 from h); wanted (D, 4*H)",
    ),
    (
        only_gates,
        (zeros(6),),
        ValueError,
        "only_gates: b has shape (6,), but its axis 4*H must be a multiple of 4, got 6; "
        "wanted (4*H,)",
    ),
    (
        pixel,
        (zeros((2, 4)),),
        ValueError,
        "pixel: x has shape (2, 4), but its axis 3 must be 3; wanted (N, 3)",
    ),
]


@pytest.mark.parametrize(("f", "arrays", "kind", "message"), MESSAGES)
def test_message(f, arrays, kind, message):
    for _ in range(2):  # a misfit is not remembered as fitting
        with pytest.raises(kind) as error:
            expect(f, *arrays)
        assert str(error.value) == message


def test_message_of_a_configured_multiple():
    with pytest.raises(ValueError) as error:
        expect(grouped, zeros((7, 6)), zeros((3, 5)), groups=3)
    assert str(error.value) == (
        "grouped: x has shape (7, 6), but its axis {groups}*G must be 9 (G = 3 from w); "
        "wanted (N, {groups}*G)"
    )


@pytest.mark.parametrize("groups", [0, -1, 1.5, None])
def test_message_of_a_configuration_that_is_no_factor(groups):
    with pytest.raises(ValueError) as error:
        expect(grouped, zeros((7, 6)), None, groups=groups)
    assert str(error.value) == f"grouped: groups is {groups}; wanted an integer >= 1"


def test_what_fits_is_remembered_with_shapes_dtypes_and_configuration():
    expect(grouped, zeros((7, 6)), zeros((2, 5)), groups=3)
    for arrays, groups in (
        ((zeros((7, 6)), zeros((2, 5))), 2),
        ((zeros((7, 6), int), zeros((2, 5))), 3),
        ((zeros((7, 8)), zeros((2, 5))), 3),
    ):
        with pytest.raises((TypeError, ValueError)):
            expect(grouped, *arrays, groups=groups)
