"""What an import must not bring along, each in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"jax", "jaxlib", "optax", "torch", "hypothesis", "pytest", "rich", "sklearn"}
LIGHT = ("scratchnn", "gradcheck", "gradcheck.main", "nnlab.main")


def brought_along(module: str) -> set[str]:
    """The packages in sys.modules after one import."""
    program = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    root = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, f"import {module} fails: {run.stderr}"
    return set(run.stdout.split())


@pytest.mark.parametrize("module", LIGHT)
def test_an_import_leaves_the_heavy_packages_out(module):
    heavy = brought_along(module) & HEAVY
    assert not heavy, f"import {module} imports {sorted(heavy)}; import them where they are used"


def test_the_probe_sees_what_an_import_brings_along():
    assert {"jax", "optax"} <= brought_along("jaxnn") & HEAVY
    assert "rich" in brought_along("rich.table")
