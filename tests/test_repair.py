"""Wrong backwards are repaired as their authors would; right ones are left alone."""

import signal

import numpy as np
import pytest

from gradcheck import discovery, loading
from gradcheck.candidates import Item
from gradcheck.checks import check_subject
from gradcheck.edits import Edit
from gradcheck.limits import late
from gradcheck.repair import _job, applied, apply, repair
from gradcheck.report import Fix
from gradcheck.search import Search

HEAD = "import numpy as np\n\n\n"
DENSE = """
def dense(x, w, b):
    return x @ w + b, (x, w)


def dense_backward(dy, cache):
    x, w = cache
    dx = {dx}
    dw = {dw}
    db = {db}
    return {out}


def case(rng):
    n, d, m = rng.permutation([2, 3, 4, 5])[:3]
    return rng.normal(size=(n, d)), rng.normal(size=(d, m)), rng.normal(size=m)


CASES = {{"dense": case}}
"""
RIGHT = {"dx": "dy @ w.T", "dw": "x.T @ dy", "db": "dy.sum(axis=0)", "out": "dx, dw, db"}
SQUARE = """
def scaled(x):
    return 3 * x / len(x), len(x)


def scaled_backward(dy, n):
    return {}


CASES = {{"scaled": lambda rng: (rng.normal(size={}),)}}
"""


def dense(**wrong):
    return HEAD + DENSE.format(**RIGHT | wrong).lstrip()


def subjects(file, text, name, seeds=2):
    file.write_text(text)
    (check,) = discovery.resolve(f"{file}::{name}")
    drawn = [s for k in range(seeds) for s in check.subjects(k, False)]
    failed = [s for s in drawn if check_subject(s, 0, twin=False).verdict == "fail"]
    assert failed, "the mistake must show"
    return [failed[0], *(s for s in drawn if s is not failed[0])]


def mended(tmp_path, text, name, **options):
    """The lines that a repair takes out and puts in, and its kind."""
    file = tmp_path / "pair_under_repair.py"
    found = repair(subjects(file, text, name), clock=600.0, **options)
    assert found is not None
    assert file.read_text() == text, "the file is only read"
    lines = [n for n in found.diff.splitlines() if n[:1] in "+-" and n[:3] not in ("+++", "---")]
    return [n[0] + n[1:].strip() for n in lines], found


@pytest.mark.parametrize(
    ("wrong", "line", "named"),
    [
        ({"dx": "dy @ w"}, "dx = dy @ w.T", "transposed"),
        ({"dw": "dy.T @ x"}, "dw = (dy.T @ x).T", "transposed"),
        ({"db": "dy.mean(axis=0)"}, "db = dy.sum(axis=0)", "mean-vs-sum"),
        ({"db": "dy.sum(axis=1)"}, "db = dy.sum(axis=0)", "wrong-axis"),
        ({"db": "dy"}, "db = dy.sum(axis=0)", "unreduced-broadcast"),
        ({"db": "-dy.sum(axis=0)"}, "db = dy.sum(axis=0)", "sign"),
        ({"dw": "x.T @ x @ w"}, None, "wrong-operand"),
        ({"out": "dw, dx, db"}, "return dx, dw, db", "argument-order"),
    ],
)
def test_one_line_of_a_dense_layer(tmp_path, wrong, line, named):
    if line is None:  # nothing small makes it right, or something that is verified
        found = repair(
            subjects(tmp_path / "dense_layer.py", dense(**wrong), "dense"), seconds=2.0, clock=600.0
        )
        assert found is None or found.kind
        return
    changes, found = mended(tmp_path, dense(**wrong), "dense")
    ((field, value),) = wrong.items()
    old = f"return {value}" if field == "out" else f"{field} = {value}"
    assert changes == [f"-{old}", f"+{line}"] and found.kind == named
    assert found.edits[0].before == old and found.edits[0].after == line


GATED = (
    HEAD
    + """
def gated(x, a, b):
    h = np.tanh(x @ a)
    return h * (x @ b), (x, a, b, h)


def gated_backward(dy, cache):
    x, a, b, h = cache
    da = dy * (x @ b) * (1 - h**2)
    db = dy * h
    dx = da @ a.T + db @ b.T
    return dx, x.T @ da, x.T @ db


def case(rng):
    n, d, m = rng.permutation([2, 3, 4, 5])[:3]
    return rng.normal(size=(n, d)), rng.normal(size=(d, m)), rng.normal(size=(d, m))


CASES = {"gated": case}
""".lstrip()
)


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("da = dy * (x @ b) * (1 - h**2)", "da = dy * (x @ b)", "activation-derivative-missing"),
        ("dx = da @ a.T + db @ b.T", "dx = da @ a.T", "missing-term"),
        ("db = dy * h", "db = h", "ignores-upstream"),
        ("return dx, x.T @ da, x.T @ db", "return dx, x.T @ db, x.T @ da", "argument-order"),
    ],
)
def test_a_term_or_factor_that_the_file_holds(tmp_path, right, wrong, named):
    changes, found = mended(tmp_path, GATED.replace(right, wrong), "gated")
    assert changes[0] == f"-{wrong}" and changes[1].replace(" ", "") in (
        f"+{right}".replace(" ", ""),
        "+db=h*dy",
    )
    assert found.kind == named


def test_a_statement_that_is_missing(tmp_path):
    text = """
def tied(x, w):
    h = x @ w
    return h @ w.T, (x, w, h)


def tied_backward(dy, cache):
    x, w, h = cache
    dh = dy @ w
    dw = dy.T @ h
    return dh @ w.T, dw


def tied2(x, w):
    return x @ w, (x, w)


def tied2_backward(dh, cache):
    x, w = cache
    dw = np.zeros(w.shape)
    dw += x.T @ dh
    return dh @ w.T, dw


CASES = {"tied": lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(3, 4)))}
CASES["tied2"] = CASES["tied"]
"""
    changes, found = mended(tmp_path, HEAD + text.lstrip(), "tied")
    assert changes in (["+dw += x.T @ dh"], ["-dw = dy.T @ h", "+dw = dy.T @ h + x.T @ dh"])
    assert found.kind == "missing-term"


MASKED = """
def masked(x):
    return np.maximum(x, 0), x


def masked_backward(dy, x):
    {}
    return dy


CASES = {{"masked": lambda rng: (rng.normal(size=rng.integers(3, 7, size=2)),)}}
"""


ROWS = """
def rows(x):
    lse = np.log(np.exp(x).sum(axis=1))
    return (lse, lse**3), dict(x=x, lse=lse, slope=3 * lse * lse)


def rows_backward(dy, cache):
    {unpacked} = dy
    g = d1 + d2 * cache["{key}"]
    return {g} * np.exp(cache["x"] - cache["lse"][:, None])


CASES = {{"rows": lambda rng: (rng.normal(size=rng.integers(3, 7, size=2)),)}}
"""


@pytest.mark.parametrize(
    "wrong", [{"g": "g"}, {"key": "lse"}, {"unpacked": "d1, d2, d3"}], ids=["axis", "key", "unpack"]
)
def test_an_axis_a_key_a_name_too_many(tmp_path, wrong):
    right = {"unpacked": "d1, d2", "key": "slope", "g": "g[:, None]"}
    changes, _ = mended(tmp_path, HEAD + ROWS.format(**right | wrong).lstrip(), "rows")
    assert changes[1][1:] in HEAD + ROWS.format(**right)


def test_a_search_that_breaks_off_says_so(tmp_path, monkeypatch):
    drawn = subjects(tmp_path / "pair_under_repair.py", dense(dx="dy @ w"), "dense")
    (tmp_path / "pair_under_repair.py").write_text("no longer Python")
    with pytest.raises(RuntimeError, match="the search for a fix broke off"):
        repair(drawn)


def test_what_is_written_into_is_copied(tmp_path):
    changes, found = mended(tmp_path, HEAD + MASKED.format("dy *= x > 0").lstrip(), "masked")
    assert changes == ["-dy *= x > 0", "+dy = dy * (x > 0)"] and found.kind == "mutates"
    changes, found = mended(tmp_path, HEAD + MASKED.format("dy[x <= 0] = 0").lstrip(), "masked")
    assert changes == ["+dy = dy.copy()"] and found.kind == "mutates"
    loop = "for k in range(len(dy)):\n        dy[k] *= x[k] > 0"
    changes, found = mended(tmp_path, HEAD + MASKED.format(loop).lstrip(), "masked")
    assert found.kind == "mutates" and "copy" in changes[0]


def test_an_accumulation_that_overwrites(tmp_path):
    text = """
def rows(table, ids):
    return table[ids], (table.shape, ids)


def rows_backward(dy, cache):
    shape, ids = cache
    dtable = np.zeros(shape)
    for k in range(len(ids)):
        dtable[ids[k]] = dy[k]
    return dtable, None


CASES = {"rows": lambda rng: (rng.normal(size=(3, 2)), rng.integers(0, 3, 7))}
"""
    changes, found = mended(tmp_path, HEAD + text.lstrip(), "rows")
    assert changes == ["-dtable[ids[k]] = dy[k]", "+dtable[ids[k]] += dy[k]"]
    assert found.kind == "overwrites-instead-of-accumulates"


def test_what_is_too_much_is_left_out(tmp_path):
    twice = "dy.sum(axis=0)\n    db *= (\n        len(x)\n        + 1\n    )"
    changes, found = mended(tmp_path, dense(db=twice), "dense")
    assert changes == ["-db *= (", "-len(x)", "-+ 1", "-)"]
    assert found.edits[0].after == "" and found.text == dense()


def test_two_mistakes_in_two_gradients(tmp_path):
    changes, found = mended(tmp_path, dense(dx="dy @ w", db="dy.mean(axis=0)"), "dense")
    assert sorted(changes) == [
        "+db = dy.sum(axis=0)",
        "+dx = dy @ w.T",
        "-db = dy.mean(axis=0)",
        "-dx = dy @ w",
    ]
    assert len(found.edits) == 2


def test_a_backward_that_raises(tmp_path):
    changes, _ = mended(tmp_path, dense(dx="dy @ v.T"), "dense")
    assert changes == ["-dx = dy @ v.T", "+dx = dy @ w.T"]


def test_a_right_pair_is_not_repaired(tmp_path):
    file = tmp_path / "right_layer.py"
    file.write_text(dense())
    (check,) = discovery.resolve(str(file))
    assert repair([*check.subjects(0, False)], clock=600.0) is None


def test_a_fit_at_one_size_only_is_refused(tmp_path):
    text = HEAD + SQUARE.format("dy", "rng.integers(3, 6)")  # the factor is 1 at size 3
    _, found = mended(tmp_path, text, "scaled")
    assert "3" in found.edits[0].after and "n" in found.edits[0].after
    file = tmp_path / "of_one_size.py"
    drawn = subjects(file, HEAD + SQUARE.format("dy", 4), "scaled")
    elsewhere = subjects(tmp_path / "other.py", HEAD + SQUARE.format("dy", 5), "scaled")
    found = repair([drawn[0], *elsewhere], clock=600.0)
    assert found is None or "/ 4" not in found.edits[0].after


MEAN = (
    HEAD
    + """
def mean(x):
    return np.mean(x), (x,)


def mean_backward(dloss, cache):
    (x,) = cache
    g = np.ones(x.shape)
    return g * dloss


CASES = {"mean": lambda rng: (rng.normal(size=(3, 4)),)}
"""
)


@pytest.mark.parametrize(("dtype", "right"), [("", True), (", dloss", False)])
def test_a_number_in_the_place_of_a_dtype_is_refused(tmp_path, dtype, right):
    file, before = tmp_path / "mean_of_all.py", "g = np.ones(x.shape)"
    job = _job(subjects(file, MEAN, "mean"), (), (), 60.0, 0)
    old = signal.signal(signal.SIGPROF, late)
    try:
        search = Search(job, loading.load(file), lambda *_: None)
        after = f"g = np.ones(x.shape{dtype}) / x.size"
        source = search.text.replace(before, after)
        line = search.text[: search.text.index(before)].count("\n") + 1
        edit = Edit("name", line, before, after, source, search.text.index(before))
        search.stage = ""
        item = Item(search.backwards[0], None, lambda: edit, (False, 0, 0))
        (candidate,) = search.candidates([item])
        assert not search.judge.outcome(candidate)
        assert search.judge.confirmed(candidate) == right
    finally:
        signal.signal(signal.SIGPROF, old)


def test_one_slip_in_two_places(tmp_path):
    changes, _ = mended(tmp_path, dense(dx="-dy @ w.T", db="-dy.sum(axis=0)"), "dense")
    assert sorted(changes) == [  # and not where they are returned
        "+db = dy.sum(axis=0)",
        "+dx = dy @ w.T",
        "-db = -dy.sum(axis=0)",
        "-dx = -dy @ w.T",
    ]


ENDLESS = """
N = {n}


def halved(x):
    return x / 2, None


def halved_backward(dy, cache):
    {first}
    {second}
    return dy * 2


CASES = {{"halved": lambda rng: (rng.normal(size=4),)}}
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("n = 3", "while n > 0: n -= 1"),  # n += 1
        ("k = N // N", "room = np.zeros(k)"),  # N * N
        ("k = N // N", "total = [0] * k"),
    ],
)
def test_candidates_that_do_not_end_or_take_all_memory(tmp_path, first, second):
    text = HEAD + ENDLESS.format(first=first, second=second, n=10**11).lstrip()
    changes, _ = mended(tmp_path, text, "halved")
    assert changes[0] == "-return dy * 2" and changes[1] in ("+return dy / 2", "+return dy * 0.5")


def test_candidates_that_hang_outside_python(tmp_path):
    text = ENDLESS.format(first="k = N // N", second="t = sum(range(k))", n=10**13)
    changes, _ = mended(tmp_path, HEAD + text.lstrip(), "halved", seconds=60.0)
    assert changes[0] == "-return dy * 2" and changes[1] in ("+return dy / 2", "+return dy * 0.5")


def test_suspect_lines_are_tried_first(tmp_path):
    text = """
def twice(x):
    return 4 * x, None


def twice_backward(dy, cache):
    a = -2 * dy
    b = a * 0.5
    return b * 4


CASES = {"twice": lambda rng: (rng.normal(size=4),)}
"""
    for line in (9, 11):
        _, found = mended(tmp_path, HEAD + text.lstrip(), "twice", lines=[line])
        assert found.edits[0].line == line


UNENDED = (
    HEAD
    + """
CASES = {"twice": lambda rng: (rng.normal(size=3),)}


def twice(x):
    return 2 * x, None


def twice_backward(dy, cache):
    return -2 * dy""".lstrip()
)


def test_a_file_without_a_last_newline(tmp_path):
    found = mended(tmp_path, UNENDED, "twice")[1]
    end = "\\ No newline at end of file\n"
    assert found.diff.endswith(f"-    return -2 * dy\n{end}+    return 2 * dy\n{end}")


def test_prints_are_not_heard(tmp_path, capfd):
    text = dense(db="dy.mean(axis=0)").replace(
        "    x, w = cache", "    print('!')\n    x, w = cache"
    )
    file = tmp_path / "loud_layer.py"
    drawn = subjects(file, text, "dense")
    capfd.readouterr()
    assert repair(drawn, clock=600.0) is not None
    assert capfd.readouterr() == ("", "")


def fix(found):
    return Fix(found.diff, found.edits, found.original, found.text)


def test_apply_keeps_the_original(tmp_path):
    _, found = mended(tmp_path, dense(dx="dy @ w"), "dense")
    file = tmp_path / "pair_under_repair.py"
    backup = apply(str(file), [fix(found)])
    assert backup.name == "pair_under_repair.py.orig"
    assert backup.read_text() == dense(dx="dy @ w") and file.read_text() == dense()
    with pytest.raises(ValueError, match="has changed"):
        apply(str(file), [fix(found)])
    file.write_text(dense(dx="dy @ w"))
    with pytest.raises(ValueError, match="is there already"):
        apply(str(file), [fix(found)])
    assert file.read_text() == dense(dx="dy @ w")


def test_fixes_of_one_file_go_together():
    def one(text):
        return Fix("", (), "a\nb\nc\n", text)

    assert applied("a\nb\nc\n", [one("A\nb\nc\n"), one("a\nb\nC\n")]) == "A\nb\nC\n"
    assert applied("a\nb\nc\n", [one("a\nb\nd\nc\n"), one("a\nc\n")][:1]) == "a\nb\nd\nc\n"
    assert applied("a\nb\nc\n", [one("A\nb\nc\n")] * 2) == "A\nb\nc\n"
    with pytest.raises(ValueError, match="two fixes change line 1"):
        applied("a\nb\nc\n", [one("A\nb\nc\n"), one("B\nb\nc\n")])


def test_no_source_no_repair():
    space = {"np": np}
    exec("def f(x): return 2 * x, None\ndef f_backward(dy, cache): return dy", space)
    from gradcheck.subjects import pair

    assert repair([pair(space["f"], space["f_backward"], (np.ones(3),))]) is None
