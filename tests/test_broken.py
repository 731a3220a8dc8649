"""Wrong backwards must fail, by name: every sign in every hand backward, and every gradient."""

import ast
import inspect
import linecache
import textwrap
from dataclasses import replace

import numpy as np
import pytest

import scratchnn
from gradcheck import catalogue, shipped
from gradcheck.checks import check_subject
from gradcheck.main import main

BACKWARDS = [op.name for op in catalogue.OPS]
# no sign in these changes the result: 1 - y appears as a mask, or the function has no operator
SIGNLESS = {
    "relu",
    "flatten",
    "embedding",
    "project_heads",
    "merge_heads",
    "grouped_attention",
    "multi_head_attention",
}


def sign_mutants(f):
    """Copies of f in which one + is a -, or one - a +, or one unary minus is dropped."""
    source = textwrap.dedent(inspect.getsource(f))
    for k in range(source.count("+") + source.count("-")):
        flip = _Flip(k)
        tree = ast.fix_missing_locations(flip.visit(ast.parse(source)))
        if not flip.done:
            return
        text = ast.unparse(tree)
        file = f"<{f.__name__} with sign {k} changed>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        space: dict = {}
        exec(compile(text, file, "exec"), f.__globals__, space)
        yield f"{flip.done} in {f.__name__}", space[f.__name__]


class _Flip(ast.NodeTransformer):
    def __init__(self, k):
        self.k, self.seen, self.done = k, 0, ""

    def mine(self, node):
        self.seen += 1
        if self.seen - 1 == self.k:
            self.done = ast.unparse(node)
            return True
        return False

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, (ast.Add, ast.Sub)) and self.mine(node):
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return node

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.Add) and self.mine(node):
            node.op = ast.Sub()
        return node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        # -1 as an axis is no sign of the mathematics
        if isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            return node.operand if self.mine(node) else node
        return node

    def visit_Slice(self, node):
        return node  # bounds, not numbers that are differentiated


MUTANTS = [
    pytest.param(name, mutant, id=f"{name}-{what}")
    for name in BACKWARDS
    for what, mutant in sign_mutants(getattr(scratchnn, f"{name}_backward"))
]


@pytest.mark.parametrize(("name", "mutant"), MUTANTS)
def test_a_changed_sign_fails(name, mutant):
    entry = catalogue.find(name)
    subject = next(shipped.subjects(entry, seed=0, twin=False))
    report = check_subject(replace(subject, backward=mutant))
    assert report.verdict == "fail"
    assert report.findings


def test_there_are_signs_to_change():
    assert {p.values[0] for p in MUTANTS} >= set(BACKWARDS) - SIGNLESS - {"linear", "max_pool2d"}
    assert len(MUTANTS) >= 15


@pytest.mark.parametrize("name", BACKWARDS)
def test_a_negated_gradient_is_named(name, monkeypatch, capsys):
    """One gradient of the shipped op comes back negated: exit 1, the op and the argument named."""
    module = inspect.getmodule(getattr(scratchnn, name))
    right = getattr(scratchnn, f"{name}_backward")
    entry = catalogue.find(name)
    subject = next(shipped.subjects(entry, seed=0, twin=False))
    for position in subject.floats:

        def wrong(dy, cache, position=position):
            grads = right(dy, cache)
            if not isinstance(grads, tuple):
                return -grads
            return tuple(-g if i == position else g for i, g in enumerate(grads))

        monkeypatch.setattr(scratchnn, f"{name}_backward", wrong)
        status = main([name, "--quick"])
        out = capsys.readouterr().out
        assert status == 1
        assert f"{name}: fail" in out
        assert f"d{subject.names[position]} has the wrong sign" in out
    assert module is not None


def test_a_wrong_twin_is_not_blamed_on_the_hand_backward():
    subject = next(shipped.subjects(catalogue.find("tanh"), seed=0, twin=True))

    def twin(x):
        import jax

        return jax.numpy.tanh(jax.lax.stop_gradient(x)) + 0 * x

    report = check_subject(replace(subject, twin=twin))
    assert report.verdict == "fail"
    assert "look at the twin" in report.message


def test_a_differing_forward_is_reported():
    subject = next(shipped.subjects(catalogue.find("tanh"), seed=0, twin=True))
    report = check_subject(replace(subject, twin=lambda x: 2 * x))
    assert report.findings[0].kind == "forward-differs"
    assert report.value is not None and report.value.verdict == "fail"


def test_the_mutants_are_not_the_original():
    y = np.array([0.5, 0.25])
    original = scratchnn.softmax_backward(y, (y,))
    for what, mutant in sign_mutants(scratchnn.softmax_backward):
        assert not np.array_equal(mutant(y, (y,)), original), what
