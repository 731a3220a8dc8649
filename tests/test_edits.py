"""Small edits of source: every family, in the right place, each with its undoing."""

import ast
import inspect
import textwrap

import numpy as np
import pytest

import scratchnn
from gradcheck.edits import KINDS, edits

FAMILIES = [  # kind, a function's body, what it can become
    ("transpose", "return x.T @ dy", "return x @ dy"),
    ("transpose", "return x @ dy", "return x @ dy.T"),
    ("transpose", "return x.swapaxes(-1, -2) @ dy", "return x @ dy"),
    ("transpose", "return np.transpose(x, (0, 2, 1))", "return np.transpose(x, (2, 0, 1))"),
    ("order", "return x @ dy", "return dy @ x"),
    ("order", "return np.outer(x, dy)", "return np.outer(dy, x)"),
    ("order", 'return np.einsum("ni,nj->ij", x, dy)', 'return np.einsum("ni,nj->ji", x, dy)'),
    ("order", 'return np.einsum("ni,nj->ij", x, dy)', 'return np.einsum("ni,nj->ij", dy, x)'),
    ("order", "return np.where(m, x, dy)", "return np.where(m, dy, x)"),
    ("order", "return x, dy", "return dy, x"),
    ("order", "a, b = x\nreturn a", "b, a = x"),
    ("axis", "return dy.sum(0)", "return dy.sum(1)"),
    ("axis", "return dy.sum(axis=-1)", "return dy.sum(axis=None)"),
    ("axis", "return dy.sum((0, 1))", "return dy.sum(0)"),
    ("axis", "return dy.sum()", "return dy.sum(0)"),
    ("axis", "return dy.sum(0)", "return dy.sum(0, keepdims=True)"),
    ("axis", "return np.concatenate((x, dy), axis=-1)", "return np.concatenate((x, dy), axis=0)"),
    ("sign", "return x + dy", "return x - dy"),
    ("sign", "return x - dy", "return dy - x"),
    ("sign", "return -dy", "return dy"),
    ("sign", "dx = x\ndx += dy\nreturn dx", "dx -= dy"),
    ("scale", "return dy.mean(0)", "return dy.sum(0)"),
    ("scale", "return dy", "return 2 * dy"),
    ("scale", "N = x.shape[0]\nreturn dy", "return dy / N"),
    ("scale", "return dy * x", "return dy / x"),
    ("name", "return dy * x", "return dy * dy"),
    ("term", "return x - dy", "return -dy"),
    ("term", "return dy", "return dy + x"),
    ("factor", "return dy * x", "return x"),
    ("factor", "return dy / x", "return dy"),
    ("factor", "return x + dy", "return x * dy + dy"),
    ("factor", "return dy * x ** 2", "return dy * x"),
    ("accumulate", "dx = np.zeros(3)\ndx[1] += dy\nreturn dx", "dx[1] = dy"),
    ("accumulate", "dx = np.zeros(3)\nnp.add.at(dx, x, dy)\nreturn dx", "dx[x] += dy"),
    ("accumulate", "dx = np.zeros(3)\ndx[x] += dy\nreturn dx", "np.add.at(dx, x, dy)"),
    ("shift", "for t in range(3):\n    dy[t] = 1", "dy[t - 1] = 1"),
    ("shift", "for t in reversed(range(3)):\n    dy[t] = 1", "for t in range(3):"),
    ("shift", "return dy[1:]", "return dy[:-1]"),
    ("shift", "return dy[::-1]", "return dy"),
    ("shift", "return x[2:] * dy[:-2]", "return x[:-2] * dy[2:]"),
    ("shift", "x[2:] += dy[:-2]\nreturn x", "x[:-2] += dy[2:]"),
    ("function", "return dy * (1 - x * x)", "return dy * (x * (1 - x))"),
    ("function", "return dy * x * (1 - x)", "return dy * (1 - x * x)"),
    ("function", "return np.sqrt(dy)", "return dy"),
    ("condition", "return dy * (x > 0)", "return dy * (x >= 0)"),
    ("condition", "return dy * ~x", "return dy * x"),
    ("condition", "if m:\n    x = dy\nreturn x", "if not m:"),
    ("constant", "return 4 * dy", "return 8 * dy"),
    ("constant", "return dy.reshape(-1, 3)", "return dy.reshape(-1, 4)"),
    ("zero", "return x, dy", "return x, 0 * dy"),
    ("statement", "x = dy\nreturn x", "pass"),
    ("statement", "x = dy\ndy = x\nreturn dy", "dy = x\nx = dy"),
]


def function(body):
    return "def f_backward(dy, x, m):\n" + textwrap.indent(body, "    ") + "\n"


@pytest.mark.parametrize(("kind", "body", "after"), FAMILIES)
def test_families(kind, body, after):
    found = [e for e in edits(function(body)) if e.kind == kind]
    assert after in [e.after for e in found]


def test_every_kind_is_tried():
    assert {kind for kind, _, _ in FAMILIES} == set(KINDS)


@pytest.mark.parametrize(("kind", "body", "after"), FAMILIES)
def test_an_edit_can_be_undone(kind, body, after):
    """Also one that only drops: what it dropped may be inserted, if it is a name."""
    source = function(body)
    edit = next(e for e in edits(source) if e.kind == kind and e.after == after)
    back = [meaning(e.source) for e in edits(edit.source)]
    lost = "statement", "pass"  # nobody guesses a whole statement
    assert (edit.kind, edit.after) == lost or meaning(source) in back


def meaning(source):
    """The syntax tree as text, whatever the order of factors and terms."""

    def flat(node, op):
        if isinstance(node, ast.BinOp) and isinstance(node.op, op):
            return [*flat(node.left, op), *flat(node.right, op)]
        return [node]

    def text(node):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Add)):
            parts = flat(node, type(node.op))
            return type(node.op).__name__ + str(sorted(map(text, parts)))
        if isinstance(node, list):
            return str([text(n) for n in node])
        if isinstance(node, ast.AST):
            return type(node).__name__ + str([text(v) for _, v in ast.iter_fields(node)])
        return repr(node)

    return text(ast.parse(source))


SHIPPED = ["linear", "softmax", "standardize", "max_pool2d"]


@pytest.mark.parametrize("name", SHIPPED)
def test_edits_of_a_shipped_backward(name):
    source = textwrap.dedent(inspect.getsource(getattr(scratchnn, f"{name}_backward")))
    found = edits(source)
    assert found == edits(source)
    seen = {ast.dump(ast.parse(source))}
    for edit in found:
        tree = ast.dump(ast.parse(edit.source))
        assert tree not in seen, edit.after
        seen.add(tree)
        assert edit.source.count("\n") == source.count("\n")
        # all lines but the edited statement are as they were
        first, last = source[: edit.at].count("\n"), len(source.splitlines())
        assert edit.line == first + 1
        changed = [
            k
            for k, (a, b) in enumerate(
                zip(source.splitlines(), edit.source.splitlines(), strict=True), 1
            )
            if a != b
        ]
        assert changed and edit.line <= changed[0] <= last
        if "\n" not in edit.before:
            assert changed == [edit.line]


def test_likely_mistakes_come_first():
    found = edits(function("dw = x.T @ dy\nreturn dw"))
    ranks = [(e.insertion, KINDS.index(e.kind)) for e in found]
    assert ranks == sorted(ranks)
    assert found[0].kind == "transpose"
    assert not found[0].insertion and found[-1].insertion


def test_the_rest_of_the_text_stays():
    source = "A = 1  # é\n\n\nclass C:\n    def b(self, dy):  # as 'is'\n        return (dy +\n"
    source += "                dy)\n\n    other = 2\n"
    found = edits(source, "C.b")
    (dropped,) = [e for e in found if e.after == "return dy"]
    assert dropped.source == source.replace("(dy +\n                dy)", "dy\n")
    assert dropped.line == 6
    compile(dropped.source, "<edited>", "exec")


def test_quotes_and_parentheses_stay():
    after = [e.after for e in edits(function('return np.einsum("ij->i", dy) * (x + dy) ** 2'))]
    assert 'return np.einsum("ji->i", dy) * (x + dy) ** 2' in after
    assert 'return np.einsum("ij->i", dy) * (x - dy) ** 2' in after
    assert 'return np.einsum("ij->i", dy) * x ** 2' in after


def test_an_edit_mends_what_another_broke():
    wrong = "def dense_backward(dy, x, w):\n    return dy @ w, x.T @ dy\n"
    x, w, dy = np.ones((2, 3)), np.arange(15.0).reshape(3, 5), np.ones((2, 5))
    right = []
    for edit in edits(wrong):
        space = {"np": np}
        exec(edit.source, space)
        try:
            with np.errstate(all="ignore"):
                dx, _ = space["dense_backward"](dy, x, w)
        except (ValueError, TypeError, AttributeError, IndexError):
            continue
        if np.shape(dx) == x.shape and np.array_equal(dx, dy @ w.T):
            right.append(edit.after)
    assert right[0] == "return dy @ w.T, x.T @ dy"


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("def f(:", None, "line 1: invalid syntax; wanted Python"),
        ("x = 1", None, "no function at all in the source; there is none"),
        ("def f(): pass", "g", "no function g in the source; there is f"),
    ],
)
def test_refusals(source, name, message):
    with pytest.raises(ValueError) as caught:
        edits(source, name)
    assert str(caught.value) == message
