"""The benchmarks run, report what they should, and refuse to time different answers."""

import json

import numpy as np
import pytest

from benchmarks import __main__, convolution, timing


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


NAMES = ", ".join(__main__.BENCHMARKS)


@pytest.mark.parametrize(
    ("arguments", "status", "out", "err"),
    [
        ([], 0, "".join(f"{n:10}{what}\n" for n, (_, what) in __main__.BENCHMARKS.items()), ""),
        (["sort"], 2, "", f"benchmarks: no benchmark 'sort'; there is {NAMES}\n"),
        (["conv", "--rounds", "0"], 2, "", "benchmarks: --rounds is 0; wanted at least 1\n"),
    ],
)
def test_usage(arguments, status, out, err, capsys):
    assert __main__.main(arguments) == status
    assert capsys.readouterr() == (out, err)
