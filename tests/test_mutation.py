"""Mutants are judged as they should be, and leave what is live alone."""

import json
from collections import Counter

import numpy as np
import pytest

import scratchnn
from benchmarks import __main__, mutants, mutation
from benchmarks.mutants import Judge
from gradcheck import differences
from gradcheck.edits import edits


def target(name):
    (found,) = [t for t in mutants.targets() if t.name == name]
    return found


RELU = """\
def relu_backward(dy, cache):
    (positive,) = cache
    return {}
"""


@pytest.mark.parametrize(
    ("result", "fate", "detail"),
    [
        ("dy * ~positive", "detected", ""),
        ("dy * (1 + 1e-9) * positive", "detected", ""),
        ("missing", "crash", "NameError"),
        ("(dy * positive)[0]", "crash", "shape"),
        ("np.multiply(dy, positive, out=dy)", "crash", "the backward writes into dy"),
        ("positive * dy / 3 * 3", "equivalent", ""),
        ("dy * positive * (dy.ndim > 0)", "survived", "off by 1e+00 at batch=()"),
    ],
)
def test_fates(result, fate, detail):
    outcome = Judge(target("relu_backward"), 0).judge(RELU.format(result))
    assert outcome.fate == fate
    assert detail in outcome.detail


def test_the_original_is_equivalent():
    for name in ("linear_backward", "Residual.backward"):
        original = mutants.source(target(name))
        assert Judge(target(name), 0).judge(original).fate == "equivalent"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("_sum_groups", ".sum(-3)", ".mean(-3)"),  # private, of an op
        ("_norm_grads", "dgamma", "-dgamma"),  # private, of a layer
        ("EncoderDecoder.encode_backward", "dgamma", "-dgamma"),  # beside a layer's backward
    ],
)
def test_helpers(name, before, after):
    of = target(name)
    head, _, last = mutants.source(of).rpartition(before)
    live = of.function.__code__
    assert Judge(of, 0).judge(head + after + last).fate == "detected"
    assert of.function.__code__ is live


def test_what_forward_and_backward_share_is_wrong_in_the_backward_only():
    """Groups that read each other's channels would be right, did they so in the forward too."""
    (of,) = [t for t in mutants.targets() if t.name == "_blocks" and "convolution" in t.module]
    text = mutants.source(of).replace("range(groups)]", "range(groups)][::-1]")
    text = text.replace(
        "slice(g * C, (g + 1) * C)", "slice((groups - 1 - g) * C, (groups - g) * C)"
    )
    assert "groups - g" in text and "[::-1]" in text
    assert Judge(of, 0).judge(text).fate == "detected"


def test_every_backward_is_a_target():
    names = {t.name for t in mutants.targets()}
    ops = {n for n in vars(scratchnn) if n.endswith("_backward")}
    layers = {
        f"{c.__name__}.backward"
        for c in vars(scratchnn).values()
        if isinstance(c, type) and "backward" in vars(c)
    }
    assert ops <= names and layers <= names


def test_the_sample_keeps_all_but_other_variables():
    of = target("linear_backward")
    tried, found = mutation.sample(of, 0), edits(mutants.source(of))
    assert tried == mutation.sample(of, 0) != mutation.sample(of, 1)
    assert [e for e in found if not e.insertion and e.kind != "name"] == [
        e for e in tried if not e.insertion and e.kind != "name"
    ]
    assert sum(e.insertion for e in tried) == mutation.INSERTIONS
    places = Counter(e.at for e in tried if e.kind == "name" and not e.insertion)
    assert set(places) == {e.at for e in found if e.kind == "name" and not e.insertion}
    assert max(places.values()) == mutation.NAMES


def test_a_process_that_hangs_or_dies_is_replaced(monkeypatch):
    monkeypatch.setattr(mutation, "LIMIT", 5.0)
    monkeypatch.setattr(mutation, "SECONDS", 0.5)
    with mutation.Worker(0) as worker:
        of = target("relu_backward")
        hangs = RELU.format("__import__('time').sleep(60)")
        assert worker.judge(of, hangs).detail == "no answer within 5 s"
        monkeypatch.setattr(mutation, "LIMIT", 100.0)
        endless = RELU.format("[0 for _ in iter(int, 1)]")
        assert worker.judge(of, endless).detail == "took more than 0.5 s"
        dies = RELU.format("__import__('os')._exit(1)")
        assert worker.judge(of, dies).detail == "the process died"
        assert worker.judge(of, RELU.format("-dy * positive")).fate == "detected"


def test_the_command(monkeypatch, capsys):
    monkeypatch.setattr(mutation, "QUICK", ("abs_backward", "Residual.backward"))
    assert __main__.main(["mutation", "--quick", "--json"]) == 0
    *rows, total = json.loads(capsys.readouterr().out)["rows"]
    assert [r["function"] for r in rows] == ["abs_backward", "Residual.backward"]
    for r in (*rows, total):
        assert r["edits"] == sum(r[fate] for fate in mutation.FATES) > 0
    assert total["detected_percent"] == 100.0
    assert __main__.main(["mutation", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "100.00 % of the" in out and "survived: none" in out


def test_survivors_are_named(capsys):
    from rich.console import Console

    edit = next(e for e in edits(mutants.source(target("abs_backward"))) if e.kind == "sign")
    outcome = mutants.Outcome("survived", "off by 2e+00 at batch=()")
    rows = [mutation.row(target("abs_backward"), [(edit, outcome)], 1.0)]
    mutation.show(Console(width=80), [*rows, mutation.total(rows)], 1)
    out = capsys.readouterr().out
    line = target("abs_backward").function.__code__.co_firstlineno + edit.line - 1
    assert f"elementwise.py:{line} abs_backward: return dy * sign -> return -(dy * sign)" in out
    assert "off by 2e+00 at batch=()" in out and "0.00 % of the 1 mutants" in out


def test_judging_needs_no_names_of_mistakes(monkeypatch):
    """The worker leaves the entry by entry gradient out: the verdict is the same without it."""
    monkeypatch.setattr(differences, "entries", lambda *args: None)
    outcome = Judge(target("relu_backward"), 0).judge(RELU.format("2 * dy * positive"))
    assert outcome.fate == "detected"


def test_rounding_is_no_difference():
    case = mutants.Case.of(next(iter(Judge(target("tanh_backward"), 0).cases))[1][0].subject)
    near = mutants.replace(case.subject, backward=lambda dy, cache: dy * (1 - cache[0] ** 2))
    far = mutants.replace(case.subject, backward=lambda dy, cache: dy * (1 + 1e-9 - cache[0] ** 2))
    assert case.gap(near) == 0.0 and not case.same(near)
    assert np.isclose(case.gap(far), 1e-9, rtol=1)
