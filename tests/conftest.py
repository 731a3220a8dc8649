"""What all tests share."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the arrays are small; threads only wait

import jax
import numpy as np
import pytest
from hypothesis import settings

collect_ignore = ["styles"]  # files to be checked, written as their authors write

# the same examples on every run, and no time limit that a busy machine could miss
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def x64():
    """JAX in double precision for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True)
def verdicts_only(request, monkeypatch):
    """`check` gives the verdict and what leads to it; of the diagnosis there are tests apart."""
    if request.path.stem != "test_doctor":
        monkeypatch.setattr("gradcheck.checks._may_wait", lambda: False)
