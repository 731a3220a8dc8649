"""Files in the manner of a course are known by name: right ones pass, planted defects are found."""

import os

import numpy as np
import pytest

from gradcheck import conditions
from gradcheck.checks import check, check_subject
from gradcheck.discovery import resolve
from gradcheck.main import _run as checked
from gradcheck.report import merge
from gradcheck.suites import Op, cs231n
from tests.styles.planted import HERE, PLANTED, Planted

LAYERS = [
    "affine",
    "relu",
    "batchnorm",
    "batchnorm_alt",
    "layernorm",
    "dropout",
    "conv_naive",
    "max_pool_naive",
    "spatial_batchnorm",
    "spatial_groupnorm",
    "svm_loss",
    "softmax_loss",
]
RNN_LAYERS = [
    "rnn_step",
    "rnn",
    "word_embedding",
    "lstm_step",
    "lstm",
    "temporal_affine",
    "temporal_softmax_loss",
]
NNFS = [
    "Layer_Dense",
    "Layer_Dropout",
    "Activation_ReLU",
    "Activation_Softmax",
    "Activation_Sigmoid",
    "Activation_Linear",
    "Loss_CategoricalCrossentropy",
    "Activation_Softmax_Loss_CategoricalCrossentropy",
    "Loss_BinaryCrossentropy",
    "Loss_MeanSquaredError",
    "Loss_MeanAbsoluteError",
]
NETS = ["TwoLayerNet.loss", "FullyConnectedNet.loss"]
UNFINISHED = '''
import numpy as np


def relu_forward(x):
    """TODO"""
    out = None
    pass
    cache = x
    return out, cache


def relu_backward(dout, cache):
    return None


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = None, None, None
    return dx, dw, db


def svm_loss(x, y):
    raise NotImplementedError


def softmax_loss(x, y):
    loss, dx = 0.0, None
    return loss, dx


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return np.tanh(x @ Wx + prev_h @ Wh + b), (x, prev_h, Wx, Wh, b)


def rnn_step_backward(dnext_h, cache):
    pass
'''
SCALE = """
import numpy as np
from gradcheck.suites import Op, cs231n


def scale(x, k):
    return {}


def unscale(g, kept):
    return g * kept


def drawn(rng, shape, sizes):
    return rng.uniform(2, 3, shape)


SUITE = (Op("scale(x, k)", "unscale(g, kept)", "x: N", ({{"N": 3, "x": drawn, "k": 2.0}},)),)
"""


def subjects(file, seed=0):
    return {c.name: [*c.subjects(seed, False)] for c in resolve(str(file))}


def written(tmp_path, text, name="layers.py"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("layers.py", LAYERS),
        ("rnn_layers.py", RNN_LAYERS),
        ("nnfs_layers.py", NNFS),
        ("fc_net.py", NETS),
    ],
)
def test_right_layers_are_known_and_pass(file, names):
    found = subjects(HERE / file)
    assert list(found) == names
    for name, drawn in found.items():
        for subject in drawn:
            report = check_subject(subject, 0, twin=False)
            assert report.verdict in ("pass", "kink"), f"{name}: {report}"


@pytest.mark.parametrize("seed", [1, 2])
def test_right_layers_pass_at_other_seeds(seed):
    for drawn in subjects(HERE / "rnn_layers.py", seed).values():
        assert all(check_subject(s, seed).verdict in ("pass", "kink") for s in drawn)


def test_what_is_hard_is_tried():
    found = subjects(HERE / "layers.py")
    conv = [s.config for s in found["conv_naive"]]
    assert {c["stride"] for c in conv} == {1, 2, 3} and {c["pad"] for c in conv} == {0, 1, 2}
    known = [conditions.facts(s.case()) for s in found["max_pool_naive"]]
    assert {k["windows"] for k in known} == {"overlap", "do not overlap"}
    assert {k["the stride"] for k in known} == {"divides", "does not divide"}
    assert {s.config["mode"] for s in found["dropout"]} == {"train", "test"}
    assert {s.config["eps"] for s in found["batchnorm"]} == {1e-5, 1.0}
    assert all(s.config["mode"] == "train" for s in found["batchnorm"])  # test keeps no cache
    assert not any(np.all(s.arrays[1] == 1) for s in found["layernorm"])


def together():
    """Defects that one file can hold: of different functions that do not call each other."""
    batches = []
    for planted in PLANTED:
        words = {planted.check, *(set(planted.check.split("_")) & {"rnn", "lstm", "batchnorm"})}
        for batch, taken in batches:
            if batch[0].file == planted.file and not words & taken:
                break
        else:
            batches.append(([], set()))
            batch, taken = batches[-1]
        batch.append(planted)
        taken |= words
    return [batch for batch, _ in batches]


@pytest.mark.parametrize("batch", together(), ids=lambda b: "-".join(p.check for p in b)[:40])
def test_planted_defects_are_found(tmp_path, batch):
    text = (HERE / batch[0].file).read_text()
    for planted in batch:
        assert text.count(planted.before) == 1
        text = text.replace(planted.before, planted.after)
    found = subjects(written(tmp_path, text, batch[0].file))
    for planted in batch:
        verdicts = (check_subject(s, 0, twin=False).verdict for s in found[planted.check])
        assert "fail" in verdicts, planted


def diagnosis(tmp_path, planted: Planted):
    """(found, placed, named) of a planted defect."""
    file = written(tmp_path, planted.text(), planted.file)
    (check,) = resolve(f"{file}::{planted.check}")
    report = checked(check, 0, False)
    first = report.findings[0] if report.findings else None
    placed = first and {first.line, *first.lines} & (planted.lines() | {*planted.elsewhere})
    return report.verdict == "fail", bool(placed), first and first.kind in planted.kinds


@pytest.mark.parametrize("number", [0, 3, 17, 35, 45])
def test_a_planted_defect_is_placed_and_named(tmp_path, number):
    assert diagnosis(tmp_path, PLANTED[number]) == (True, True, True)


@pytest.mark.slow
def test_all_planted_defects_are_found_and_most_placed_and_named(tmp_path):
    found = np.array([diagnosis(tmp_path, p) for p in PLANTED], float)
    assert found[:, 0].all()
    assert found[:, 1:].mean(axis=0).min() >= 0.9


CONFIGURATIONS = {
    "pad:-pad, pad:-pad": "wrong at pad=0, right at pad=1 and 2",
    "ws + col] = dout": "wrong where windows overlap, right where windows do not overlap",
    "mask = window == np.max": "wrong at x=tied, right elsewhere",
    "hs, ws = i, j": "wrong at stride=2 and 3, right at stride=1",
    "shifted = x": "wrong at x=near_1000, right elsewhere",
}


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_finding_says_under_which_configuration_it_appears(tmp_path, text):
    planted = next(p for p in PLANTED if text in p.after)
    (check,) = resolve(f"{written(tmp_path, planted.text())}::{planted.check}")
    reports = [check_subject(s, 0, twin=False) for s in check.subjects(0, False)]
    findings = conditions.told(merge(reports), reports).findings
    assert CONFIGURATIONS[text] in [w for f in findings for w in f.why]


def test_what_is_unfinished_is_no_failure(tmp_path):
    file = written(tmp_path, UNFINISHED)
    for name, drawn in subjects(file).items():
        report = check_subject(drawn[0], 0, twin=False)
        (finding,) = report.findings
        assert (report.verdict, finding.kind) == ("error", "not-implemented"), name
        half = "backward" if name in ("affine", "softmax_loss", "rnn_step") else "forward"
        assert f"the {half} is not implemented" in finding.message
        line = file.read_text().splitlines()[finding.line - 1]
        assert name.removesuffix("_loss") in line or "raise" in line


def test_what_waits_for_the_unfinished_says_so(tmp_path):
    more = """

def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return 2 * out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    return affine_backward(2 * relu_backward(dout, relu_cache), fc_cache)
"""
    (first, *_) = subjects(written(tmp_path, UNFINISHED + more))["affine_relu"]
    report = check_subject(first, 0)
    assert report.verdict == "error"
    assert report.message == "affine_relu waits for relu_forward, which is not implemented"


def test_a_helper_that_has_no_gradient_for_ids_is_finished():
    """What raises beside one is wrong; it does not wait for anything."""

    def rows_forward(ids, w):
        return w[ids], (ids, w.shape)

    def rows_backward(dy, cache):
        ids, shape = cache
        dw = np.zeros(shape)
        np.add.at(dw, ids, dy)
        return None, dw

    def looked_up(w, ids):
        return rows_forward(ids, w)

    def looked_up_backward(dy, cache):
        dw, ids = rows_backward(dy, cache)  # in the wrong order
        return dw + 0 * ids[0].transposed

    report = check(looked_up, looked_up_backward, np.ones((3, 2)), np.array([0, 2, 2]))
    assert (report.verdict, report.findings[0].kind) == ("fail", "raises")


def test_a_forward_that_returns_too_little_says_so(tmp_path):
    text = (HERE / "rnn_layers.py").read_text()
    text = text.replace("return next_h, next_c, cache", "return next_h, next_c")
    (first, *_) = subjects(written(tmp_path, text, "rnn_layers.py"))["lstm_step"]
    message = "lstm_step_forward returned 2 values; wanted 2 outputs and the cache"
    assert check_subject(first, 0).message == message


@pytest.mark.parametrize("kept", ["x_hat", "x_hat, mode"])
def test_a_backward_that_is_not_told_the_mode_is_that_of_training(tmp_path, kept):
    text = (HERE / "layers.py").read_text()
    text = text.replace(
        "        out = gamma * x_hat + beta\n    else",
        f"        out = gamma * x_hat + beta\n        cache = (x, {kept})\n    else",
    )
    modes = {s.config["mode"] for s in subjects(written(tmp_path, text))["batchnorm"]}
    assert modes == ({"train", "test"} if "mode" in kept else {"train"})


def test_a_namesake_with_other_parameters_is_left_alone(tmp_path):
    text = (HERE / "layers.py").read_text()
    file = written(tmp_path, text.replace("affine_forward(x, w, b)", "affine_forward(w, x, b)"))
    (check,) = [c for c in resolve(str(file)) if c.name == "affine"]
    assert not hasattr(getattr(check.subjects, "__self__", None), "op")
    assert "relu" in subjects(file)


def test_a_case_without_a_size_says_which(tmp_path):
    text = SCALE.format("x * k, k").replace('"N": 3', '"M": 3')
    with pytest.raises(ValueError, match=r"a case of x gives no size of axis N \(it gives M, x, k"):
        subjects(written(tmp_path, text, "scales.py"))


def test_a_suite_of_another_sort_is_left_alone(tmp_path):
    cards = "SUITE = 'hearts'\n\n\ndef relu_forward(x):\n    return abs(x), x\n"
    cards += "\n\ndef relu_backward(dout, x):\n    return dout * (2 * (x > 0) - 1)\n"
    assert list(subjects(written(tmp_path, cards, "cards.py"))) == ["relu"]


@pytest.mark.parametrize("name", ["conv_naive", "conv_forward_naive", "conv_backward_naive"])
def test_a_pair_is_found_by_any_of_its_names(name):
    assert [c.name for c in resolve(f"{HERE / 'layers.py'}::{name}")] == ["conv_naive"]


def test_inputs_of_the_file_come_before_those_of_a_suite(tmp_path):
    more = "\nCASES = {'relu': lambda rng: (rng.normal(size=(7, 11)),)}\n"
    file = written(tmp_path, (HERE / "layers.py").read_text() + more)
    assert {s.arrays[0].shape for s in subjects(file)["relu"]} == {(7, 11)}


@pytest.mark.parametrize(("y", "verdict"), [("x * k, k", "pass"), ("x * k**2, k", "fail")])
def test_a_suite_of_ones_own(tmp_path, y, verdict):
    (drawn,) = subjects(written(tmp_path, SCALE.format(y), "scales.py")).values()
    assert check_subject(drawn[0], 0, twin=False).verdict == verdict
    assert drawn[0].config == {"k": 2.0, "x": "drawn"}


def test_what_a_forward_keeps_in_its_options_stays_there():
    (op,) = [op for op in cs231n.SUITE if op.name == "batchnorm"]
    param = {**op.cases[0]["bn_param"]}
    for s in subjects(HERE / "layers.py")["batchnorm"]:
        assert np.array_equal(s.run().y[0], s.run().y[0])
    assert op.cases[0]["bn_param"] == param


def test_an_op_whose_shapes_cannot_be_read_says_so():
    with pytest.raises(ValueError, match="cannot read axis 'N-1'"):
        _ = Op("f(x)", "g(dy, c)", "x: N-1", ({"N": 3},)).axes


if __name__ == "__main__":  # the rates: python -m tests.test_suites
    import pathlib
    import tempfile

    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    total = np.zeros(3)
    for planted in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            total += (one := diagnosis(pathlib.Path(folder), planted))
            print(planted.check, planted.after[:60].replace("\n", " "), one, flush=True)
    print("found, placed, named of", len(PLANTED), total)
