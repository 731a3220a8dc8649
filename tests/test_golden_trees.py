"""The parameter trees of everything shipped are those of golden/trees.json, so checkpoints load.

A change that moves, renames or reshapes a leaf breaks the files of everyone who saved one. If it is
meant, write the new trees with `python -m tests.test_golden_trees` and say so in the changelog.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import jaxnn
import scratchnn
from gradcheck.catalogue import LAYERS

GOLDEN = Path(__file__).parent / "golden/trees.json"
REGENERATE = "if it is meant: python -m tests.test_golden_trees"


def tree(nn, entry) -> dict[str, list[int]]:
    """The path of every leaf of the params and the state, with its shape."""
    params, state = entry.build(nn).init(np.random.default_rng(0))
    flat = nn.trees.flatten({"params": params, "state": state})
    return {path: list(np.shape(leaf)) for path, leaf in flat.items()}


def text(trees) -> str:
    """One leaf per line."""
    return re.sub(r"\[[^]]*\]", lambda m: json.dumps(json.loads(m[0])), json.dumps(trees, indent=2))


def differences(got, want) -> list[str]:
    """What is missing from `got`, extra in it, or different, by name."""
    return [
        *(f"{k} is missing" for k in want if k not in got),
        *(f"{k} is new" for k in got if k not in want),
        *(f"{k} is {got[k]}, was {want[k]}" for k in want if k in got and got[k] != want[k]),
    ]


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


def test_every_layer_has_one_tree(golden):
    names = [entry.name for entry in LAYERS]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"listed twice in gradcheck/catalogue.py: {sorted(twice)}"
    faults = differences(dict.fromkeys(names), dict.fromkeys(golden))
    assert not faults, f"{GOLDEN.name}: {'; '.join(faults)}; {REGENERATE}"


@pytest.mark.parametrize("nn", [scratchnn, jaxnn], ids=lambda nn: nn.__name__)
@pytest.mark.parametrize("entry", LAYERS, ids=lambda entry: entry.name)
def test_golden_tree(nn, entry, golden):
    faults = differences(tree(nn, entry), golden.get(entry.name, {}))
    assert not faults, f"{nn.__name__}.{entry.name}: {'; '.join(faults)}; {REGENERATE}"


def test_a_difference_is_named():
    got, want = {"params/w": [2, 3], "params/c": [3]}, {"params/w": [3, 2], "params/b": [3]}
    assert differences(got, want) == [
        "params/b is missing",
        "params/c is new",
        "params/w is [2, 3], was [3, 2]",
    ]
    assert differences(want, want) == []


if __name__ == "__main__":
    GOLDEN.write_text(text({entry.name: tree(scratchnn, entry) for entry in LAYERS}) + "\n")
