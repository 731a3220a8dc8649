"""Checkpoints: whole or not at all, the same for both backends, every misfit named."""

import os
from pathlib import Path

import numpy as np
import pytest

import jaxnn
import scratchnn
from scratchnn import trees

BACKENDS = [scratchnn, jaxnn]
NAMES = ["scratchnn", "jaxnn"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def model(nn, seed=0):
    return nn.residual_cnn((4, 6, 1), (2, 3), 5, 10).init(np.random.default_rng(seed))[0]


@pytest.mark.parametrize("reader", BACKENDS, ids=NAMES)
@pytest.mark.parametrize("writer", BACKENDS, ids=NAMES)
def test_round_trip(writer, reader, path, x64):
    params = model(writer)
    writer.checkpoints.save(path, params)
    back = reader.checkpoints.load(path, like=model(reader, seed=1))
    flat, want = trees.flatten(back), trees.flatten(params)
    assert flat.keys() == want.keys()
    for k in want:
        assert isinstance(flat[k], type(model(reader)["fc1"]["w"]))
        assert flat[k].dtype == want[k].dtype and np.array_equal(flat[k], want[k])


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_leaves_of_any_layout_and_dtype(backend, path, x64):
    leaves = {
        "turned": np.arange(6.0).reshape(2, 3).T,
        "strided": np.arange(10.0)[::3],
        "half": np.ones(2, np.float32),
        "count": np.arange(3),
        "flag": np.array([True, False]),
    }
    backend.checkpoints.save(str(path), {"deep": {"er": leaves}})
    back = backend.checkpoints.load(str(path))["deep"]["er"]
    for k, v in leaves.items():
        assert back[k].dtype == v.dtype and np.array_equal(back[k], v), k


def message(call, *args, **kwargs):
    with pytest.raises(ValueError) as error:
        call(*args, **kwargs)
    return str(error.value)


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_every_misfit_is_named(backend, path):
    save, load = backend.checkpoints.save, backend.checkpoints.load
    given = {"fc1": {"w": np.zeros((3, 2)), "b": np.zeros(2)}, "old": {"w": np.zeros(1)}}
    wanted = {"fc1": {"w": np.zeros((2, 3)), "b": np.zeros(2)}, "fc2": {"w": np.zeros(1)}}
    save(path, given)
    assert message(load, path, like=wanted) == (
        f"load: {path} does not fit this model: missing fc2/w; extra old/w; "
        "fc1/w has shape (3, 2), wanted (2, 3)"
    )
    for like, fault in (
        ({"fc1": given["fc1"]}, "extra old/w"),
        (given | {"fc2": {"b": np.zeros(1)}}, "missing fc2/b"),
        (given | {"old": {"w": np.zeros((1, 1))}}, "old/w has shape (1,), wanted (1, 1)"),
    ):
        assert message(load, path, like=like) == f"load: {path} does not fit this model: {fault}"


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_a_file_that_is_none(backend, path):
    save, load = backend.checkpoints.save, backend.checkpoints.load
    assert message(load, path) == f"load: no file {path}; train first, or check the path"
    assert message(load, path.parent) == (
        f"load: no file {path.parent}; train first, or check the path"
    )
    save(path, {"w": np.zeros(100)})
    whole = path.read_bytes()
    for content in (whole[:-8], whole[:20], whole[:3], b"", b"\x00" * 100):
        path.write_bytes(content)
        text = message(load, path)
        assert text.startswith(f"load: {path} is not a safetensors file (")
        assert text.endswith("); wanted one written by save") and "\n" not in text


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_what_cannot_be_saved(backend, path):
    save = backend.checkpoints.save
    folder = path.parent / "none"
    assert message(save, folder / "a", {"w": np.zeros(1)}) == (
        f"save: no folder {folder}; create it first"
    )
    for tree in ({}, {"fc": {}}):
        assert message(save, path, tree) == ("save: the tree holds no arrays; wanted at least one")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("moment", ["fdopen", "replace"])
@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_a_failing_write_leaves_the_old_file(backend, moment, path, monkeypatch):
    save, load = backend.checkpoints.save, backend.checkpoints.load
    save(path, {"w": np.full(3, 7.0)})
    real = getattr(os, moment)

    def full(handle, *rest):
        if moment == "replace":
            assert Path(handle).stat().st_size > 0  # all is written before the old file goes
        else:
            real(handle, *rest).close()
        raise OSError("no space left on device")

    monkeypatch.setattr(os, moment, full)
    with pytest.raises(OSError, match="no space left"):
        save(path, {"w": np.zeros(3)})
    monkeypatch.undo()
    assert load(path)["w"].tolist() == [7, 7, 7]
    assert [f.name for f in path.parent.iterdir()] == [path.name]  # and no .part


def test_an_overwritten_file_is_the_new_one(path):
    for value in (1.0, 2.0):
        scratchnn.checkpoints.save(path, {"w": np.full(2, value)})
    assert scratchnn.checkpoints.load(path)["w"].tolist() == [2, 2]


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_a_leaf_without_axes(backend, path):
    backend.checkpoints.save(path, {"k": np.array(3)})
    assert backend.checkpoints.load(path)["k"].shape == ()
