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
    assert len(MUTANTS) >= 40


@pytest.mark.parametrize("name", BACKWARDS)
def test_a_negated_gradient_is_named(name):
    """One gradient of a shipped op comes back negated: the report names the argument."""
    right = getattr(scratchnn, f"{name}_backward")
    subject = next(shipped.subjects(catalogue.find(name), seed=0, twin=False))
    for position in subject.floats:
        report = check_subject(replace(subject, backward=negated(right, position)))
        assert report.verdict == "fail"
        assert {f.argument for f in report.findings} == {subject.names[position]}


def test_the_command_names_the_op_and_the_argument(monkeypatch, capsys):
    right = scratchnn.lstm_backward
    monkeypatch.setattr(scratchnn, "lstm_backward", negated(right, 4))
    assert main(["lstm", "relu", "--quick"]) == 1
    out = capsys.readouterr().out
    assert "lstm: fail" in out and "relu: fail" not in out
    assert "dw_h has the wrong sign" in out


def negated(right, position):
    def wrong(dy, cache):
        grads = right(dy, cache)
        if not isinstance(grads, tuple):
            return -grads
        return tuple(-g if i == position else g for i, g in enumerate(grads))

    return wrong


def test_a_wrong_twin_is_not_blamed_on_the_hand_backward():
    subject = next(shipped.subjects(catalogue.find("tanh"), seed=0, twin=True))

    def twin(x):
        import jax

        return jax.numpy.tanh(jax.lax.stop_gradient(x)) + 0 * x

    report = check_subject(replace(subject, twin=twin))
    assert report.verdict == "fail"
    assert "the twin's derivative is at fault" in report.message


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
