"""A failed pair of a file: the line, the name, the fix, and what is said of them."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck import assert_gradients, check
from gradcheck.discovery import resolve
from gradcheck.main import _run, main

LSTM = """
import numpy as np
from jaxtyping import Float

Array = np.ndarray


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    c: Float[Array, "N H"],
    w_x: Float[Array, "D 4*H"],
    w_h: Float[Array, "H 4*H"],
    b: Float[Array, " 4*H"],
):
    H = h.shape[1]
    z = x @ w_x + h @ w_h + b
    i, f = sigmoid(z[:, :H]), sigmoid(z[:, H : 2 * H])
    g, o = np.tanh(z[:, 2 * H : 3 * H]), sigmoid(z[:, 3 * H :])
    next_c = f * c + i * g
    next_h = o * np.tanh(next_c)
    return (next_h, next_c), (x, h, c, w_x, w_h, i, f, g, o, next_c)


def lstm_step_backward(dnext, cache):
    dnext_h, dnext_c = dnext
    x, h, c, w_x, w_h, i, f, g, o, next_c = cache
    do = dnext_h * np.tanh(next_c)
    dc_next = dnext_h * o * (1 - np.tanh(next_c) ** 2)  # + dnext_c
    dc = dc_next * f
    di, df, dg = dc_next * g, dc_next * c, dc_next * i
    dz = np.hstack((di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)))
    return dz @ w_x.T, dz @ w_h.T, dc, x.T @ dz, h.T @ dz, dz.sum(axis=0)
"""
SQUARE = """
import numpy as np

def power(x):
    return np.sinc(x) * np.log1p(x**4), x

def power_backward(dy, x):
    return np.tanh(dy * x) + 2 * np.sin(x) * dy  # nothing small makes this right

CASES = {"power": lambda rng: (rng.normal(size=rng.integers(2, 6)),)}
"""


@pytest.fixture
def examined(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def examined(text, *options):
        (tmp_path / "mine.py").write_text(text)
        status = main(["mine.py", *options])
        assert (tmp_path / "mine.py").read_text() == text
        return status, capsys.readouterr().out

    return examined


def test_a_lost_path_of_an_lstm_is_placed_named_and_mended(examined):
    status, out = examined(LSTM, "--json")
    (check,) = json.loads(out)["checks"]
    first, *others = check["findings"]
    line = 1 + LSTM[: LSTM.index("dc_next = dnext_h")].count("\n")
    assert status == 1
    assert (first["kind"], first["line"]) == ("missing-term", line)
    (edit,) = first["fix"]["edits"]
    assert edit["line"] == line and edit["after"].endswith("+ dnext_c")
    assert "+    dc_next" in first["fix"]["diff"]
    assert {f["argument"] for f in check["findings"]} == {"x", "h", "c", "w_x", "w_h", "b"}
    assert all(f["fix"] is None for f in others)


def test_the_text_shows_the_edit_once(examined):
    _, out = examined(LSTM)
    assert out.count("+++ mine.py") == 1
    assert "the whole check passes, at other values and sizes too" in out
    assert "it mends d" in out
    assert "got" in out and "wanted" in out


def test_where_nothing_small_is_right_candidates_are_listed(examined):
    status, out = examined(SQUARE, "--json")
    finding = json.loads(out)["checks"][0]["findings"][0]
    assert status == 1
    assert finding["fix"] is None and finding["line"] is None


def test_a_diagnosis_that_breaks_off_leaves_the_verdict(examined, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("lost")

    monkeypatch.setattr("gradcheck.placing.place", broken)
    status, out = examined(LSTM, "-v")
    assert status == 1
    assert "note: the diagnosis broke off: RuntimeError: lost" in out


def test_apply_writes_the_fix_and_keeps_the_file(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(LSTM)
    assert main([str(file), "--apply"]) == 1
    assert (tmp_path / "mine.py.orig").read_text() == LSTM
    assert "dc_next + dnext_c" in file.read_text().replace(" ** 2)", "").replace(
        "dnext_h * o * (1 - np.tanh(next_c)", "dc_next"
    )
    assert f"wrote {file}; as it was: {file}.orig" in capsys.readouterr().err
    assert main([str(file)]) == 0


def test_a_second_backup_is_refused(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(LSTM)
    (tmp_path / "mine.py.orig").write_text("mine")
    assert main([str(file), "--apply"]) == 1
    assert "is there already; move it away first" in capsys.readouterr().err
    assert (tmp_path / "mine.py.orig").read_text() == "mine" and file.read_text() == LSTM


NET = """
import numpy as np

def affine(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.sum(0)

def tanh(x):
    y = np.tanh(x)
    return y, (y,)

def tanh_backward(dy, cache):
    (y,) = cache
    return dy * (1 - y)

def net(x, w, b, v, c):
    h, first = affine(x, w, b)
    a, middle = tanh(h)
    y, last = affine(a, v, c)
    return y, (first, middle, last)

def net_backward(dy, cache):
    first, middle, last = cache
    da, dv, dc = affine_backward(dy, last)
    dh = tanh_backward(da, middle)
    dx, dw, db = affine_backward(dh, first)
    return dx, dw, db, dv, dc

CASES = {
    "net": lambda rng: tuple(rng.normal(size=s) for s in [(5, 3), (3, 4), (4,), (4, 2), (2,)])
}
"""


def test_the_first_wrong_part_of_a_network_is_told_from_what_follows(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (found,) = resolve(f"{tmp_path / 'net.py'}::net")
    report = _run(found, 0, False)
    assert "first wrong: tanh, argument x" in str(report)
    assert "consequence only: affine 1" in str(report)
    assert "+    return dy * (1 - y * y)" in str(report)


# the sum counts as a mean where the batch is five, which it is in every case of its own
FIXED = """
import numpy as np

def mean(x):
    return x.mean(0), x.shape[0]

def mean_backward(dy, n):
    return np.tile(dy / 4, (n, 1))

CASES = {"mean": lambda rng: (rng.normal(size=(5, 3)),)}
"""


def test_a_fix_is_right_at_other_sizes_than_those_given(tmp_path):
    (tmp_path / "fixed.py").write_text(FIXED)
    (found,) = resolve(str(tmp_path / "fixed.py"))
    report = _run(found, 0, False)
    (edit,) = report.findings[0].fix.edits
    assert edit.after == "return np.tile(dy / n, (n, 1))"


def test_check_is_diagnosed_too(tmp_path):
    (tmp_path / "fixed.py").write_text(FIXED)
    (found,) = resolve(str(tmp_path / "fixed.py"))
    s = next(found.subjects(0, False))
    with pytest.raises(AssertionError, match=r"\+    return np.tile\(dy / n, \(n, 1\)\)"):
        assert_gradients(s.forward, s.backward, *s.arrays)
    assert check(s.forward, s.backward, *s.arrays, diagnose=False).findings[0].fix is None


def test_within_hypothesis_only_the_verdict_is_given(monkeypatch):
    def never(*_):
        raise AssertionError("it was asked for a diagnosis")

    monkeypatch.setattr("gradcheck.doctor.diagnosed", never)

    @settings(max_examples=2)
    @given(st.integers(2, 5))
    def twice(n):
        assert check(lambda x: (2 * x, None), lambda dy, _: dy, np.ones(n)).verdict == "fail"

    twice()


SAID = """
lstm_step: fail
  missing-term: dx is the right gradient for dy[1] = 0: a term is missing (mine.py:34)
    off by # of its largest entry, where rounding explains #
    with this edit the whole check passes, at other values and sizes too (# tried in # s)
    dx[N=#, D=#]   got #   wanted #   ratio #
    --- mine.py
    +++ mine.py
    @@ #,# +#,# @@
         x, h, c, w_x, w_h, i, f, g, o, next_c = cache
         do = dnext_h * np.tanh(next_c)
    -    dc_next = dnext_h * o * (# - np.tanh(next_c) ** #)  # + dnext_c
    +    dc_next = dnext_h * o * (# - np.tanh(next_c) ** #) + dnext_c  # + dnext_c
         dc = dc_next * f
         di, df, dg = dc_next * g, dc_next * c, dc_next * i
  it mends dh, dc, dw_x, dw_h, db too
  at N=#, D=#, H=#, float64, seed #; in Python:
    from gradcheck.checks import check_subject
    from gradcheck.discovery import resolve
    (found,) = resolve('mine.py::lstm_step')
    subject = [*found.subjects(#, False)][#]  # its inputs are subject.arrays
    print(check_subject(subject, #))
"""


def figures_apart(text):
    text = re.sub(r"-?\b\d[\d.]*(e[-+]\d+)?\b", "#", text)
    text = re.sub(r" +(wanted|ratio)", r"   \1", text)
    return re.sub(r"( *dx\[.*\n)+", r"\1", text)


def test_the_message_whole(examined):
    _, out = examined(LSTM, "--quick")
    wanted = figures_apart(SAID).splitlines()
    said = figures_apart(out[out.index("\nlstm_step: fail") :]).splitlines()
    assert said[: len(wanted)] == wanted


def test_json_says_the_same(examined):
    _, out = examined(LSTM, "--json", "--quick")
    finding = json.loads(out)["checks"][0]["findings"][0]
    said = f"{finding['kind']}: {finding['message']}\n"
    lines = [line.strip() for line in figures_apart(SAID).splitlines()]
    assert [line.strip() for line in figures_apart(said).splitlines()] == [
        lines[2].removesuffix(" (mine.py:#)"),
        *lines[3:6],
        *lines[-5:],
    ]
