"""Other styles: classes, losses, closures, tapes, custom rules; right, and with a mistake."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from gradcheck.checks import check_subject
from gradcheck.discovery import TargetError, resolve
from gradcheck.inputs import InputError
from gradcheck.main import main
from gradcheck.placing import place
from gradcheck.repair import repair
from gradcheck.report import merge

STYLES = Path(__file__).parent / "styles"
FILES = {
    "dense_classes.py": ["Dense", "ReLU", "Softmax", "Dropout"],
    "affine_classes.py": [
        *("Affine", "Sigmoid", "SoftmaxWithLoss", "MatMul", "LSTMCell", "Embedding", "TimeAffine"),
    ],
    "loss_functions.py": ["svm_loss", "softmax_loss_naive", "TwoLayerNet.loss"],
    "conventions.py": [
        *("affine", "sigmoid", "tanh", "mean_squared_error", "multiply", "softmax", "lstm_cell"),
    ],
    "char_rnn.py": ["lossFun"],
    "custom_rules.py": ["softplus", "scaled_dense", "log1p_square"],
    "model.py": ["forward", "loss_and_grads"],
    "tensors.py": [
        *(f"Tensor.{f}" for f in ("__add__", "__mul__", "__matmul__", "__pow__")),
        *("Tensor.tanh", "Tensor.log", "Tensor.mean", "mlp_loss"),
    ],
    "training.py": ["dense", "leaky", "standardize", "cross_entropy_loss", "Classifier.loss"],
    "torch_functions.py": ["ScaledTanh", "Linear"],
}
# file, what, what stands there, the mistake, what it is called
PLANTED = [
    ("dense_classes.py", "Dense", "self.weights.T)", "self.weights)", "transposed"),
    ("dense_classes.py", "Dense", "dvalues, axis=0", "dvalues, axis=1", "wrong-axis"),
    ("dense_classes.py", "Dense", "self.inputs.T, dvalues", "self.inputs.T, -dvalues", "sign"),
    ("dense_classes.py", "ReLU", "dvalues.copy()", "dvalues", "mutates"),
    ("affine_classes.py", "SoftmaxWithLoss", "dx / len(self.t)", "dx", "mean-vs-sum"),
    ("affine_classes.py", "LSTMCell", "dc_next + dh_next", "dh_next", "missing-term"),
    ("loss_functions.py", "svm_loss", "dx /= N", "dx /= 2 * N", "constant-factor"),
    ("loss_functions.py", "TwoLayerNet.loss", "(dscores)", "(-dscores)", "sign"),
    ("char_rnn.py", "lossFun", "dby += dy", "dby = dy", "overwrites-instead-of-accumulates"),
    ("char_rnn.py", "lossFun", "dhraw, hs[t - 1]", "dhraw, hs[t]", "time-shift"),
    ("conventions.py", "multiply", "da = dy * b", "da = dy * a", "wrong-operand"),
    ("conventions.py", "affine", "g.sum(axis=0)", "g.mean(axis=0)", "mean-vs-sum"),
    ("conventions.py", "lstm_cell", "dnext_c + dnext_h", "dnext_h", "missing-term"),
    ("custom_rules.py", "scaled_dense", "dx = dh @", "dx = -dh @", "sign"),
    ("custom_rules.py", "log1p_square", "y, 2 * x / (", "y, x / (", "constant-factor"),
    ("model.py", "forward", "dz1.sum(axis=0)", "dz1.mean(axis=0)", "mean-vs-sum"),
    ("tensors.py", "Tensor.__matmul__", "out.grad @ other.data.T", "out.grad @ other.data", ""),
    ("tensors.py", "Tensor.tanh", "(1 - t**2)", "(1 - t)", "wrong-operand"),
    ("training.py", "dense", "x.T.dot(dout)", "x.T.dot(dout) / len(x)", "mean-vs-sum"),
    ("torch_functions.py", "ScaledTanh", "(1 - t * t)", "(1 - t)", "wrong-operand"),
]


def needs(file: str) -> None:
    if file.startswith("torch"):
        pytest.importorskip("torch")


def planted(folder: Path, file: str, right: str, wrong: str) -> Path:
    """A copy of a file with a mistake in it."""
    text = (STYLES / file).read_text()
    assert right in text
    path = folder / file
    path.write_text(text.replace(right, wrong, 1))
    return path


def checked(target: str) -> tuple:
    """(report, subjects that failed, all subjects, what makes more) of one found thing."""
    (check,) = resolve(target)
    subjects = list(check.subjects(0, False))
    reports = [check_subject(s, twin=False) for s in subjects]
    failed = [s for s, r in zip(subjects, reports, strict=True) if r.verdict == "fail"]
    return merge(reports), failed, subjects, check


@pytest.mark.parametrize("file", FILES)
def test_right_code_passes(file):
    needs(file)
    checks = resolve(str(STYLES / file))
    assert [c.name for c in checks] == FILES[file]
    for check in checks:
        report = merge([check_subject(s, twin=False) for s in check.subjects(0, False)])
        assert report.verdict in ("pass", "kink"), str(report)


@pytest.mark.parametrize(("file", "name", "right", "wrong", "kind"), PLANTED)
def test_a_mistake_is_found_placed_named_and_mended(tmp_path, file, name, right, wrong, kind):
    needs(file)
    text = (STYLES / file).read_text()
    line = text[: text.index(right)].count("\n") + 1
    path = planted(tmp_path, file, right, wrong)
    report, failed, subjects, check = checked(f"{path}::{name}")
    assert report.verdict == "fail"
    smallest = min(failed, key=lambda s: sum(np.size(a) for a in s.arrays))
    placed = [c.line for c in place(smallest).lines]
    others = [s for s in subjects if s is not smallest][:4]
    points = [smallest, *others, *islice(check.subjects(1, False), 3)]
    found = repair(points, placed, seconds=60.0, clock=200.0)  # its time is not the subject
    assert found is not None, (str(report), placed)
    assert [e.line for e in found.edits] == [line], found.diff
    names = {found.kind, *(f.kind for f in report.findings)}
    assert kind in names or not kind, names


def test_the_command_tells_the_line_of_a_method_and_its_fix(tmp_path, capsys):
    text = (STYLES / "dense_classes.py").read_text()
    path = tmp_path / "layers.py"
    path.write_text(
        text.replace("np.dot(dvalues, self.weights.T)", "np.dot(dvalues, self.weights)")
    )
    assert main([f"{path}::Dense", "--quick", "--json"]) == 1
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    finding = check["findings"][0]
    assert (check["name"], finding["line"], finding["kind"]) == ("Dense", 18, "raises")


def test_a_stale_cache_is_called_one(tmp_path):
    wrong = "self.inputs = getattr(self, 'inputs', inputs)"
    path = planted(tmp_path, "dense_classes.py", "self.inputs = inputs", wrong)
    report = checked(f"{path}::Dense")[0]
    assert [f.kind for f in report.findings] == ["not-repeatable"]
    assert "a cache is stale" in report.message
    assert report.case["config"] == {"earlier_forwards": 1}


ACCUMULATES = """
import numpy as np

class Scale:
    def __init__(self, n_features):
        self.parameters = {"gain": np.ones(n_features)}
        self.gradients = {"gain": np.zeros(n_features)}

    def forward(self, X):
        self.X = X
        return X * self.parameters["gain"]

    def backward(self, dLdy):
        self.gradients["gain"] += (dLdy * self.X).sum(axis=0)
        return dLdy * self.parameters["gain"]
"""


def test_gradients_that_add_up_are_right_and_told(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(ACCUMULATES)
    report = checked(f"{path}::Scale")[0]
    assert report.verdict == "pass" and set(report.arguments) == {"X", "gain"}
    assert any("add up over calls" in n for n in report.notes)


def test_a_tape_that_overwrites_is_told(tmp_path):
    text = (STYLES / "tensors.py").read_text()
    path = tmp_path / "tensors.py"
    path.write_text(
        text.replace("self.grad += out.grad / self.data", "self.grad = out.grad / self.data")
    )
    report = checked(f"{path}::Tensor.log")[0]
    assert [f.kind for f in report.findings] == ["overwrites-instead-of-accumulates"]


STEPS = """
import numpy as np

class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input)

    def backward(self, output_gradient, learning_rate):
        dx = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * np.dot(output_gradient, self.input.T)
        return dx

class Value:
    def __init__(self, data, _children=()):
        self.data, self.grad, self._prev = data, 0, set(_children)
        self._backward = lambda: None

    def __mul__(self, other):
        out = Value(self.data * other.data, (self, other))
        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out
"""


def test_a_step_taken_within_the_backward_and_values_that_are_numbers(tmp_path):
    path = tmp_path / "steps.py"
    path.write_text(STEPS)
    for name, arguments in (("Dense", {"input", "weights"}), ("Value.__mul__", {"self", "other"})):
        report = checked(f"{path}::{name}")[0]
        assert report.verdict == "pass" and set(report.arguments) == arguments


DERIVATIVES = """
import numpy as np

def sigmoid(x):
    "x: of shape (N, D)"
    return 1 / (1 + np.exp(-x))

def sigmoid_derivative(a):
    return a * (1 - a)

def tanh(x):
    "x: of shape (N, D)"
    return np.tanh(x)

def tanh_prime(z):
    return 1 - np.tanh(z) ** 2

def zero(x):
    return 0 * x

def zero_grad(params):
    params.clear()
"""


def test_a_derivative_may_be_of_the_input_or_of_the_output(tmp_path):
    path = tmp_path / "activations.py"
    path.write_text(DERIVATIVES)
    checks = resolve(str(path))
    assert [c.name for c in checks] == ["sigmoid", "tanh"]
    for check in checks:
        subjects = check.subjects(0, False)
        assert {check_subject(s, twin=False).verdict for s in subjects} == {"pass"}


PLAIN = """
import numpy as np

def affine(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)

def softmax(z):
    '''z: of shape (N, C)'''
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def softmax_prime(z):
    p = softmax(z)
    return p * (1 - p)
"""


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.py"
    path.write_text(PLAIN)
    return str(path)


def test_what_is_not_known_is_asked_for_with_the_flag_to_add(plain):
    (check,) = resolve(f"{plain}::affine")
    wanted = f'gradcheck {plain}::affine --shapes "x: n d; w: d m; b: m"'
    with pytest.raises(InputError) as error:
        list(check.subjects(0, False))
    assert str(error.value) == f"affine: nobody says what shape x, w, b have; say it, e.g. {wanted}"
    (check,) = resolve(f"{plain}::affine", "x: n d; w: d m; b: m")
    assert check_subject(next(check.subjects(0, False)), twin=False).verdict == "pass"


def test_a_derivative_without_dy_of_no_elementwise_function_is_not_judged(plain):
    (check,) = resolve(f"{plain}::softmax")
    with pytest.raises(InputError, match=r"softmax_prime takes no dy.*wanted softmax_prime\(dy"):
        list(check.subjects(0, False))


@pytest.mark.parametrize("shapes", ["x n d", "x: n-d", "x: n < ", ": n"])
def test_shapes_that_cannot_be_read(plain, shapes):
    with pytest.raises(TargetError, match=r"--shapes: .*cannot read"):
        resolve(plain, shapes)


def test_a_custom_rule_is_compared_with_autodiff_of_its_function(tmp_path):
    path = planted(tmp_path, "custom_rules.py", "dw = x.T @ dh", "dw = x.T @ dy")
    (check,) = resolve(f"{path}::scaled_dense")
    report = check_subject(next(check.subjects(0, True)))
    assert report.verdict == "fail" and report.value.verdict == "pass"
    assert report.arguments["w"].autodiff > 0.01 > report.arguments["x"].autodiff
