"""The twins agree in all but arrays and derivatives, so that reading them side by side works.

A rule is a function of a scratchnn module and its jaxnn twin; it returns the faults it finds, each
with its fix. `test_a_rule_can_fail` shows every rule a broken pair of toy modules.
"""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import numpy as np
import pytest

import jaxnn
import scratchnn
from scratchnn.shapes import specs

ROOT = Path(__file__).parents[1]
FREE = {
    "trees",  # each backend may walk its trees in its own way
    "optimizers",  # jaxnn wraps optax
}
HELPERS = {
    "fraction",  # read configuration values
    "per_axis",
    "pairs",
    "fitting",
    "check_eps",  # checks one
    "reorder_gates",  # permutes the columns of weights from elsewhere
    "sinusoidal",  # of integers, without a derivative
}  # public functions under ops/ that are no ops
MAY_IMPORT = {
    "scratchnn": {"numpy", "scipy", "jaxtyping"},
    "jaxnn": {"numpy", "jax", "optax", "jaxtyping"},
}
MODELS = {  # every layer and model, small
    "Linear": lambda nn: nn.Linear(3, 2),
    "Bilinear": lambda nn: nn.Bilinear(3, 5, 2),
    "PReLU": lambda nn: nn.PReLU(3),
    "SwiGLU": lambda nn: nn.SwiGLU(3, 5),
    "Dropout": lambda nn: nn.Dropout(0.5),
    "Conv1d": lambda nn: nn.Conv1d(2, 3, size=3, padding="same"),
    "Conv2d": lambda nn: nn.Conv2d(2, 3, size=(3, 2), padding=1),
    "Conv3d": lambda nn: nn.Conv3d(4, 6, size=(1, 3, 2), groups=2),
    "ConvTranspose2d": lambda nn: nn.ConvTranspose2d(6, 4, size=(3, 2), groups=2),
    "RNN": lambda nn: nn.RNN(3, 2),
    "GRU": lambda nn: nn.GRU(3, 2),
    "LSTM": lambda nn: nn.LSTM(3, 2, peepholes=True),
    "Bidirectional": lambda nn: nn.Bidirectional(nn.GRU(3, 2), nn.RNN(3, 5)),
    "Op": lambda nn: nn.Op(nn.max_pool2d, size=2),
    "Residual": lambda nn: nn.Residual(nn.Linear(3, 3, bias=False)),
    "Sequential": lambda nn: nn.Sequential((("a", nn.Linear(3, 3)), ("b", nn.Linear(3, 2)))),
    "BatchNorm": lambda nn: nn.BatchNorm(3),
    "LayerNorm": lambda nn: nn.LayerNorm(3),
    "RMSNorm": lambda nn: nn.RMSNorm(3),
    "GroupNorm": lambda nn: nn.GroupNorm(6, groups=2),
    "InstanceNorm": lambda nn: nn.InstanceNorm(3),
    "WeightNorm": lambda nn: nn.WeightNorm(nn.Linear(3, 2)),
    "Embedding": lambda nn: nn.Embedding(5, 3),
    "MLP": lambda nn: nn.MLP((3, 5, 2)),
    "LearnedPositions": lambda nn: nn.LearnedPositions(5, 3),
    "MultiHeadAttention": lambda nn: nn.MultiHeadAttention(8, 4, kv_heads=2, causal=True),
    "TransformerBlock": lambda nn: nn.TransformerBlock(6, 2, 5, causal=True),
    "DecoderBlock": lambda nn: nn.DecoderBlock(6, 2, 5),
    "GPT": lambda nn: nn.GPT(7, 5, 6, 2, 2),
    "EncoderDecoder": lambda nn: nn.EncoderDecoder(5, 7, 6, 2, 2),
    "residual_cnn": lambda nn: nn.residual_cnn((4, 6, 1), (2, 3), 5, 10),
    "CharRNN": lambda nn: nn.CharRNN(nn.LSTM, 7, 3, n_layers=2),
    "Seq2Seq": lambda nn: nn.Seq2Seq(7, 5, 3, 2),
}


def walk(package: ModuleType) -> dict[str, ModuleType]:
    """The modules of a package by their name within it."""
    prefix = package.__name__ + "."
    found = [info.name for info in pkgutil.walk_packages(package.__path__, prefix)]
    return {name.removeprefix(prefix): importlib.import_module(name) for name in found}


HAND, TWIN = walk(scratchnn), walk(jaxnn)
SHARED = sorted((HAND.keys() & TWIN.keys()) - FREE)


def members(module: ModuleType) -> dict:
    """The public functions, classes and methods that a module defines, in order."""
    found = {}
    for name, value in vars(module).items():
        if name[0] != "_" and getattr(value, "__module__", None) == module.__name__:
            found[name] = value
            if inspect.isclass(value):
                methods = {f"{name}.{k}": f for k, f in vars(value).items() if k[0] != "_"}
                found |= {k: f for k, f in methods.items() if getattr(f, "__qualname__", 0) == k}
    return {name: value for name, value in found.items() if callable(value)}


def forward(module: ModuleType) -> dict:
    """What the twin must have too."""
    return {k: v for k, v in members(module).items() if not k.endswith(("_backward", ".backward"))}


def pairs(hand, twin):
    """(name, scratchnn's, jaxnn's) of what both have."""
    theirs = members(twin)
    return [(k, mine, theirs[k]) for k, mine in forward(hand).items() if k in theirs]


def names(hand, twin):
    mine, theirs = forward(hand), members(twin)
    return [
        *(f"{twin.__name__} lacks {k}; write the twin" for k in mine if k not in theirs),
        *(f"{k} stands in {twin.__name__} only; drop it" for k in theirs if k not in mine),
    ]


def order(hand, twin):
    mine, theirs = ([k for k, *_ in pairs(hand, twin)], list(members(twin)))
    theirs = [k for k in theirs if k in mine]
    return [] if mine == theirs else [f"{twin.__name__} defines {theirs}; reorder it to {mine}"]


def signatures(hand, twin):
    return [
        f"{twin.__name__}.{k} takes {signature(theirs)}; make it {signature(mine)}"
        for k, mine, theirs in pairs(hand, twin)
        if signature(mine) != signature(theirs)
    ]


def signature(f):
    parameters = inspect.signature(f).parameters.values()
    return [(p.name, p.kind.description, plain(p.default)) for p in parameters]


def plain(default):
    """A default that compares between the backends: a function by its name."""
    return default.__qualname__ if inspect.isroutine(default) else default


def shapes(hand, twin):
    ops = [(k, f, g) for k, f, g in pairs(hand, twin) if inspect.isfunction(f) and any(specs(f))]
    faults = []
    for k, mine, theirs in ops:
        y = inspect.signature(mine, eval_str=True).return_annotation
        if k not in HELPERS:
            y, _cache = get_args(y)
        want = [*map(described, specs(mine)), returned(y)]
        y = inspect.signature(theirs, eval_str=True).return_annotation
        got = [*map(described, specs(theirs)), returned(y)]
        if want != got:
            faults.append(f"{twin.__name__}.{k} declares {got}; make it {want}")
    return faults


def described(spec):
    return spec and f"{spec.name}: {spec.kind} {spec}" + " or None" * spec.optional


def returned(annotation):
    declared = getattr(annotation, "dim_str", None)
    return [returned(a) for a in get_args(annotation)] if declared is None else declared


def docstrings(hand, twin):
    return [
        f"{twin.__name__}.{k} begins {headline(theirs)!r}; make it {headline(mine)!r}, one sentence"
        for k, mine, theirs in pairs(hand, twin)
        if "." not in k and not (headline(mine) and headline(mine) == headline(theirs))
    ]


def headline(f):
    return (f.__doc__ or "").split("\n")[0]


def fields(hand, twin):
    return [
        f"{twin.__name__}.{k} has the fields {dataclass(theirs)}; make them {dataclass(mine)}"
        for k, mine, theirs in pairs(hand, twin)
        if dataclass(mine) != dataclass(theirs)
    ]


def dataclass(cls):
    if not (inspect.isclass(cls) and dataclasses.is_dataclass(cls)):
        return None
    kind = "frozen" if cls.__dataclass_params__.frozen else "not frozen"
    return kind, [(f.name, plain(f.default)) for f in dataclasses.fields(cls)]


def backwards(hand, twin):
    here = [k for k, f in vars(hand).items() if getattr(f, "__module__", 0) == hand.__name__]
    mine = members(hand)
    layers = [k for k in mine if f"{k}.forward" in mine]
    ops = [k for k in forward(hand) if ".ops." in hand.__name__ and inspect.isfunction(mine[k])]
    ops = [k for k in ops if "." not in k and k not in HELPERS]
    wanted = [f"{k}.backward" for k in layers] + [f"{k}_backward" for k in ops]
    wrong = [k for k in wanted if k not in mine or arguments(mine[k]) != ["dy", "cache"]]
    apart = [k for k in ops if here[here.index(k) :][1:2] != [f"{k}_backward"]]
    orphans = [k for k in mine if k.endswith("_backward") and k[: -len("_backward")] not in mine]
    return [
        *(f"{hand.__name__}.{k} is the backward of nothing; drop it" for k in orphans),
        *(f"{hand.__name__} has no {k}(dy, cache); write it" for k in wrong),
        *(f"{hand.__name__}.{k} is not followed by its backward; move it there" for k in apart),
        *(f"{hand.__name__}.{k} declares no shapes" for k in ops if not any(specs(mine[k]))),
    ]


def arguments(f):
    return [k for k in inspect.signature(f).parameters if k != "self"]


def own_name(hand, twin):
    name = hand.__name__.split(".")[-1]
    hidden = f"module {hand.__name__} is named like what it defines; name the file for its topic"
    return [hidden] if name in members(hand) else []


RULES = [names, order, signatures, shapes, docstrings, fields, backwards, own_name]


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_twins(rule, name):
    faults = rule(HAND[name], TWIN[name])
    assert not faults, "\n".join(faults)


def test_same_modules():
    assert HAND.keys() == TWIN.keys(), f"in one package only: {HAND.keys() ^ TWIN.keys()}"


def test_exceptions_are_in_use():
    functions = {k for m in HAND if m.startswith("ops.") for k in members(HAND[m])}
    assert HAND.keys() >= FREE, f"no such module: {FREE - HAND.keys()}; drop it from FREE"
    assert functions >= HELPERS, f"no such helper: {HELPERS - functions}; drop it from HELPERS"


def test_same_exports():
    mine = [k for k in exported(scratchnn) if not k.endswith("_backward")]
    assert exported(jaxnn) == mine, "give jaxnn/__init__.py the order of scratchnn/__init__.py"


def test_every_op_is_exported():
    ops = {k for m in HAND if m.startswith("ops.") for k in members(HAND[m])} - HELPERS
    hidden = ops - set(exported(scratchnn))
    assert not hidden, f"export {sorted(hidden)} in scratchnn/__init__.py"


def exported(package) -> list[str]:
    lines = ast.parse(inspect.getsource(package)).body
    return [name.asname or name.name for s in lines if isinstance(s, ast.ImportFrom)
            for name in s.names]  # fmt: skip


def test_every_model_is_built_here():
    defined = {k for m in HAND if m.startswith(("layers", "models")) for k in members(HAND[m])}
    missing = {k for k in defined if "." not in k} - MODELS.keys() - {"Layer"}
    assert not missing, f"add {sorted(missing)} to MODELS in tests/test_mirror.py"


@pytest.mark.parametrize("name", MODELS)
def test_same_parameters_from_the_same_seed(name, x64):
    mine, theirs = (MODELS[name](nn) for nn in (scratchnn, jaxnn))
    (p, s), (q, t) = (m.init(np.random.default_rng(7)) for m in (mine, theirs))
    trees = [("params", p, q), ("state", s, t)]
    if hasattr(mine, "carry"):
        sizes = (4, 5)[: len(inspect.signature(mine.carry).parameters)]  # batch, and some length
        trees.append(("carry", mine.carry(*sizes), theirs.carry(*sizes)))
    for what, a, b in trees:
        a, b = scratchnn.trees.flatten(a), jaxnn.trees.flatten(b)
        assert a.keys() == b.keys(), f"{name}: {what} differ, {sorted(a)} and {sorted(b)}"
        for k in a:
            same = a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k])
            assert same, f"{name}: {what} {k} differ; draw from rng in the same order in both"


def imports(source: str) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(source)))
    found = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    found |= {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
    return {name.split(".")[0] for name in found}


FILES = sorted(
    f.relative_to(ROOT) for package in MAY_IMPORT for f in (ROOT / package).rglob("*.py")
)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports(file):
    allowed = MAY_IMPORT[file.parts[0]] | {file.parts[0]} | sys.stdlib_module_names
    if file.name == "checkpoints.py":
        allowed = allowed | {"safetensors"}
    extra = imports((ROOT / file).read_text()) - allowed
    assert not extra, f"{file} imports {sorted(extra)}; {file.parts[0]} does without"


@pytest.mark.parametrize("copy", ["jaxnn/shapes.py", "gradcheck/shapes.py"])
def test_one_reader_of_shapes(copy):
    same = (ROOT / copy).read_bytes() == (ROOT / "scratchnn/shapes.py").read_bytes()
    assert same, f"edit scratchnn/shapes.py, then: cp scratchnn/shapes.py {copy}"


TOY = '''
from dataclasses import dataclass
from jaxtyping import Float
from numpy import ndarray as Array

def f(x: Float[Array, "N D"], b: Float[Array, " D"] | None = None, *, k=1) -> {f_returns}:
    """Do f."""
{f_backward}
def g(x: Float[Array, "N"]) -> {g_returns}:
    """Do g."""
{g_backward}
@dataclass(frozen=True)
class L:
    """An L."""
    n: int
    op: object = f
    def forward(self, x, *, train=False): ...
{backward}
'''
HAND_TOY = TOY.format(
    f_returns='tuple[Float[Array, "N"], tuple]',
    f_backward="def f_backward(dy, cache): ...",
    g_returns='tuple[tuple[Float[Array, "N"], Float[Array, ""]], tuple]',
    g_backward="def g_backward(dy, cache): ...",
    backward="    def backward(self, dy, cache): ...",
)
TWIN_TOY = TOY.format(
    f_returns='Float[Array, "N"]',
    f_backward="",
    g_returns='tuple[Float[Array, "N"], Float[Array, ""]]',
    g_backward="",
    backward="",
)
BREAKS = [  # rule, what it breaks, with what
    (names, "def g(", "def h("),
    (names, "def forward(", "def forwards("),
    (names, "@dataclass", "def h(): ...\n@dataclass"),
    (order, '    """Do g."""\n', '    """Do g."""\nf0 = f; del f; f = f0\n'),
    (signatures, "*, k=1", "*, k=2"),
    (signatures, "*, k=1", "k=1"),
    (signatures, "train=False", "training=False"),
    (signatures, "op: object = f", "op: object = g"),
    (shapes, 'x: Float[Array, "N D"]', 'x: Float[Array, "D N"]'),
    (shapes, '" D"] | None = None', '" D"] = None'),
    (shapes, ' -> Float[Array, "N"]', ' -> Float[Array, "D"]'),
    (shapes, 'Float[Array, ""]', 'Float[Array, "1"]'),
    (docstrings, '"""Do g."""', '"""Does g."""'),
    (fields, "n: int", "m: int"),
    (fields, "(frozen=True)", ""),
    (fields, "op: object = f", "op: object = g"),
    (backwards, "def g_backward(dy, cache)", "def g_backward(dy, cache, y)"),
    (backwards, "def g_backward(dy, cache): ...", ""),
    (backwards, "def f_backward", "def _between(): ...\ndef f_backward"),
    (backwards, "def backward(self, dy, cache): ...", ""),
    (backwards, "@dataclass", "def h_backward(dy, cache): ...\n@dataclass"),
    (backwards, 'g(x: Float[Array, "N"])', "g(x)"),
    (own_name, "def f(", "def toy(): ...\ndef f("),
]


def toy(package: str, source: str) -> ModuleType:
    module = ModuleType(f"{package}.ops.toy")
    exec(source, vars(module))
    return module


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_passes_good_twins(rule):
    assert rule(toy("scratchnn", HAND_TOY), toy("jaxnn", TWIN_TOY)) == []


@pytest.mark.parametrize(
    ("rule", "old", "new"), BREAKS, ids=[f"{rule.__name__}-{new}" for rule, _, new in BREAKS]
)
def test_a_rule_can_fail(rule, old, new):
    in_hand = rule in (backwards, own_name)
    assert old in (HAND_TOY if in_hand else TWIN_TOY)
    hand = toy("scratchnn", HAND_TOY.replace(old, new) if in_hand else HAND_TOY)
    twin = toy("jaxnn", TWIN_TOY if in_hand else TWIN_TOY.replace(old, new))
    assert rule(hand, twin), "the rule lets this pass"


def test_imports_are_seen_anywhere():
    source = "import os.path\ndef f():\n    import jax.numpy as jnp\n    from torch import nn"
    assert imports(source) == {"os", "jax", "torch"}
