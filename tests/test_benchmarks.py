"""The benchmarks run, report what they should, and refuse to time different answers."""

import json

import numpy as np
import pytest

from benchmarks import __main__, checkers, conv_check, convolution, doctor, peers, timing, workers
from gradcheck.corpus import Specimen
from gradcheck.subjects import pair

NAMES = tuple(__main__.BENCHMARKS)
INSTALLED = [name for name, checker in peers.CHECKERS.items() if checker.installed]


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    monkeypatch.setattr(timing, "SAMPLE", 1e-4)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(convolution, "QUICK", convolution.QUICK[1:])


def test_conv_as_json(quick, capsys):
    assert __main__.main(["conv", "--quick", "--json", "--rounds", "2", "--seed", "3"]) == 0
    report = json.loads(capsys.readouterr().out)
    head = {k: v for k, v in report.items() if k not in ("machine", "rows")}
    assert head == {"schema": 1, "benchmark": "conv", "rounds": 2, "seed": 3}
    about = report["machine"]
    assert about["numpy"] == np.__version__ and about["cpu"] and about["cores"] >= 1
    assert [row["pass"] for row in report["rows"]] == ["forward", "forward + backward"]
    for row in report["rows"]:
        for side in ("numpy", "jax"):
            time = row[f"{side}_ms"]
            assert len(time["samples"]) == 2 and min(time["samples"]) > 0
            assert min(time["samples"]) <= time["median"] <= max(time["samples"])
            assert row[f"{side}_gflops"] * time["median"] / 1e3 == pytest.approx(row["gflop"])
        low, high = row["ratio_range"]
        assert 0 < low <= high
        assert row["ratio"] == row["numpy_ms"]["median"] / row["jax_ms"]["median"]
        assert row["jax_compile_ms"] > 0 and row["difference"] < 1e-5
    forward, both = report["rows"]
    assert both["gflop"] == 3 * forward["gflop"]


@pytest.mark.parametrize("width", [80, 100])
def test_conv_as_a_table(width, monkeypatch, capsys):
    from rich.console import Console

    time = {"median": 31.96, "spread": 10.12}
    row = {"numpy_ms": time, "jax_ms": time, "ratio": 10.2, "ratio_range": [0.85, 123.4]}
    row |= {"numpy_gflops": 26.77, "jax_gflops": 143.5, "jax_compile_ms": 66, "difference": 1e-7}
    case = {"N": 128, "H": 28, "C": 16, "K": 32, "size": 5, "stride": 2, "padding": 2}
    rows = [row | {"case": case, "pass": p} for p in ("forward", "forward + backward")]
    convolution.show(Console(width=width), rows, 15)
    out = capsys.readouterr().out
    assert "…" not in out, "a cell is cut off"
    for text in ("28x28x16 to 32", "5x5/2, N 128", "32.0 ±10.1", "10 (0.85-123)", "27 / 144"):
        assert text in out


def test_different_answers_are_not_timed(monkeypatch):
    honest = convolution.scratchnn.conv2d
    wrong = lambda *arrays, **config: (1.001 * honest(*arrays, **config)[0], None)  # noqa: E731
    monkeypatch.setattr(convolution.scratchnn, "conv2d", wrong)
    with pytest.raises(ValueError, match=r"conv: the two sides differ by 1\.0e-03; .* not timed"):
        convolution.run(rounds=1, quick=True, seed=0)


def test_nan_is_a_difference():
    with pytest.raises(ValueError, match="differ by nan"):
        convolution.agree((np.array([np.nan]),), (np.array([1.0]),), longest=1)


def test_the_two_sides_are_sampled_in_turn():
    calls = []
    timing.interleave(lambda: calls.append("a"), lambda: calls.append("b"), rounds=3)
    turns = [side for side, before in zip(calls, [None, *calls], strict=False) if side != before]
    assert turns == ["a", "b"] * 4  # once to learn the number of repeats, then three rounds


@pytest.mark.parametrize(
    ("arguments", "status", "out", "err"),
    [
        (["sort"], 2, "", f"benchmarks: no benchmark 'sort'; there is {', '.join(NAMES)}\n"),
        (["conv", "--rounds", "0"], 2, "", "benchmarks: --rounds is 0; wanted at least 1\n"),
        (
            ["conv", "--picture", "a.svg"],
            2,
            "",
            "benchmarks: --picture: this benchmark has no picture; checkers has one\n",
        ),
        (
            ["checkers", "--picture", "a.pdf"],
            2,
            "",
            "benchmarks: --picture is a.pdf; wanted FILE.svg or FILE.png\n",
        ),
        (
            ["checkers", "--picture", "no/such/a.svg"],
            2,
            "",
            "benchmarks: --picture is no/such/a.svg; its folder does not exist\n",
        ),
    ],
)
def test_usage(arguments, status, out, err, capsys):
    assert __main__.main(arguments) == status
    assert capsys.readouterr() == (out, err)


def test_the_list(capsys):
    assert __main__.main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*NAMES]


def scale(x, at, *, by):  # two outputs, an argument without a derivative, a configuration
    return (by * x, float(x[at].sum())), (x.shape, at, by)


def scale_backward(dy, cache):
    (shape, at, by), (dy_scaled, dy_sum) = cache, dy
    dx = by * dy_scaled
    assert dx.shape == shape
    dx[at] += dy_sum
    return dx, None


def forgetful_backward(dy, cache):
    dx, _ = scale_backward(dy, cache)
    return 1.1 * dx, None


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("checker", INSTALLED)
def test_every_checker_tells_right_from_wrong(checker, dtype):
    x, at = np.array([[1.0, -2.0, 4.0]]), np.array([0])
    said = [
        peers.quietly(checker, peers.case(pair(scale, f, (x, at), {"by": 2.0}), dtype), 0)
        for f in (scale_backward, forgetful_backward)
    ]
    if dtype == "float32" and checker != "gradcheck":  # there, some reject everything
        assert said[1] != "accepted"
    else:
        assert said == ["accepted", "rejected"]


def test_a_worker_survives_what_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "LIMIT", 1.0)
    file = tmp_path / "odd.py"
    file.write_text(
        "import os, time\nimport numpy as np\n"
        "def f(x): return x, None\ndef f_backward(dy, cache): return dy\n"
        "def g(x): return x, None\ndef g_backward(dy, cache): time.sleep(60)\n"
        "def h(x): return x, None\ndef h_backward(dy, cache): os._exit(3)\n"
        "def k(x): return x, None\ndef k_backward(dy, cache): raise OSError\n"
        "CASES = dict.fromkeys('fghk', lambda rng: (rng.normal(size=2),))\n"
    )
    worker = workers.Worker("course")
    try:
        outcomes = [worker.ask(workers.Task(str(file), p, "float64", 0)) for p in "fghkf"]
    finally:
        worker.stop()
    assert [o.word for o in outcomes] == ["accepted", "hung", "died", "raised", "accepted"]
    assert len(outcomes[0].seconds) == 3 and not outcomes[1].seconds


@pytest.fixture
def two_checkers(monkeypatch):
    missing = peers.Checker("a peer", "no_such_package", peers.torch_slow)
    monkeypatch.setattr(
        checkers,
        "CHECKERS",
        {k: peers.CHECKERS[k] for k in ("gradcheck", "course")} | {"torch-slow": missing},
    )


def test_the_scoreboard(two_checkers, capsys):
    assert __main__.main(["checkers", "--quick", "--json", "--seed", "3"]) == 0
    *rows, absent = json.loads(capsys.readouterr().out)["rows"]
    assert absent == {"checker": "torch-slow", "absent": "no_such_package"}
    assert [(r["checker"], r["dtype"]) for r in rows] == [
        (name, dtype) for dtype in checkers.DTYPES for name in ("gradcheck", "course")
    ]
    for row in rows:
        asked = sum(row["right"].values()) + sum(row["wrong"].values())
        assert len(row["ms"]) >= asked >= checkers.QUICK and min(row["ms"]) > 0
        if row["checker"] == "gradcheck":
            assert [*row["right"]] == ["accepted"] and not row["remarkable"]


def scores():
    counts = {"wrong": {"detected": 230, "missed": 5}, "right": {"accepted": 50, "false alarm": 2}}
    rest = {"version": "1.0", "ms": [1234.5, 2.0]}
    return [
        counts | rest | {"checker": name, "dtype": dtype, "half": half}
        for dtype in checkers.DTYPES
        for half in checkers.HALVES
        for name in peers.CHECKERS
    ]


def test_the_scoreboard_as_tables(capsys):
    from rich.console import Console

    checkers.show(Console(width=100), [*scores()[:-1], {"checker": "jax", "absent": "jax"}], 1)
    out = capsys.readouterr().out
    assert "…" not in out, "a cell is cut off"
    for text in ("230/235  98 %", "4/104   4 %", "held-out", "JAX check_vjp: jax is not installed"):
        assert text in out


def test_the_scoreboard_as_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks import picture

    report = tmp_path / "report.json"
    report.write_text(json.dumps({"rows": [*scores(), {"checker": "jax", "absent": "jax"}]}))
    files = [tmp_path / name for name in ("a.svg", "b.svg")]
    for file in files:
        assert picture.main([str(report), str(file)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes(), "the same rows make the same file"
    assert picture.main([str(report)]) == 2


def test_what_others_let_through_is_not_let_through(capsys):
    assert __main__.main(["blind", "--quick", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    shown = [row for row in rows if "absent" not in row]
    assert len(shown) >= 2
    for row in shown:
        assert row["gradcheck"] == "fail" and row["message"], row["what"]
        assert "accepted" in row["said"].values(), row["what"]
    __main__.main(["blind", "--quick"])
    assert "accepted" in capsys.readouterr().out


def test_conv_check(monkeypatch, capsys):
    from rich.console import Console

    assert __main__.main(["conv-check", "--quick", "--json", "--rounds", "2"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [r["side"] for r in rows] == 2 * ["entry map", "differences", "check", "check, twin"]
    for row in rows:
        assert row["inputs"] == 16 * 2 + 9 * 2 * 3 + 3 and len(row["ms"]["samples"]) == 2
        assert row.get("absent") == "torch" or row["ratio"] > 0
    conv_check.show(Console(width=80), rows, 2)
    assert "entry map" in capsys.readouterr().out


def test_a_wrong_gradient_is_not_timed(monkeypatch):
    honest = conv_check.scratchnn.conv2d_backward
    wrong = lambda dy, cache: tuple(1.001 * g for g in honest(dy, cache))  # noqa: E731
    monkeypatch.setattr(conv_check.scratchnn, "conv2d_backward", wrong)
    with pytest.raises(ValueError, match=r"conv-check: .*; run gradcheck conv2d"):
        conv_check.run(rounds=1, quick=True, seed=0)


def test_a_mistake_whose_process_dies_counts_as_not_detected():
    wrong = Specimen("affine-3", "developed", "db = dy.sum(0)", "db = dy", "affine", (), ("sign",))
    right = Specimen("affine", "developed", "db = dy", "db = dy")
    found = doctor.total([*doctor._died(wrong), *doctor._died(right)])
    assert {k: found[k] for k in doctor.COUNTS} == {
        "mistakes": 1,
        "process died": 2,
        "detected": 0,
        "right pairs": 1,
        "of them repaired": 0,
    }
