"""Training: both backends take the same steps, and stop when and as they should."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxnn
import scratchnn
from nnlab import datasets, experiments, jax_loop, training
from nnlab.datasets import Dataset, Split
from nnlab.experiments import Experiment


def swap(x):
    """(N, T, D) -> (T, N, D), and back."""
    return x.swapaxes(0, 1), ()


def swap_backward(dy, cache):
    return dy.swapaxes(0, 1)


def swap_jax(x):
    return x.swapaxes(0, 1)


def char_lstm(nn):
    swapped = nn.Op(swap if nn is scratchnn else swap_jax)
    layers = (("swap", swapped), ("lstm", nn.LSTM(27, 11)), ("fc", nn.Linear(11, 27)))
    return nn.Sequential((*layers, ("swap", swapped)))


def characters():
    """Windows of 7 letters, one-hot, and the letter after each."""
    text = "the quick brown fox jumps over the lazy dog and packs my box with five liquor jugs " * 3
    letters = np.array([" abcdefghijklmnopqrstuvwxyz".index(c) for c in text], np.int32)
    windows = np.lib.stride_tricks.sliding_window_view(letters, 8)
    split = Split(np.eye(27)[windows[:, :-1]], windows[:, 1:])
    return Dataset(split, split, split)


digits = datasets.digits()
mlp = experiments.find("digits-mlp")
# Adam hides a constant factor of the gradient, so the curves are those of descent with momentum
descent = dataclasses.replace(mlp, optimizer=experiments.momentum, learning_rate=0.02)
MODELS = {
    "mlp": (descent, digits),
    "cnn": (
        dataclasses.replace(
            descent, batch_size=13, model=lambda nn: nn.residual_cnn((8, 8, 1), (3, 5), 16, 10)
        ),
        digits,
    ),
    "lstm": (
        dataclasses.replace(descent, batch_size=17, learning_rate=0.5, model=char_lstm),
        characters(),
    ),
    "mlp, adam": (mlp, digits),
}


def hundred_steps(name, backend, seed=3):
    """The losses of the first 100 steps and more, in float64."""
    experiment, dataset = MODELS[name]
    epochs = -(-100 // (len(dataset.train.x) // experiment.batch_size))
    options = {"seed": seed, "epochs": epochs, "dtype": "float64"}
    return training.train(experiment, dataset, backend=backend, **options).losses[:100]


@pytest.mark.parametrize("name", MODELS)
def test_both_backends_have_one_loss_curve(name):
    by_hand, autodiff = hundred_steps(name, "numpy"), hundred_steps(name, "jax")
    assert len(by_hand) == 100 and by_hand[-10:].mean() < 0.8 * by_hand[:10].mean()
    np.testing.assert_allclose(by_hand, autodiff, rtol=1e-9, atol=0)


OPTIMIZERS = {
    "sgd": (scratchnn.optimizers.SGD(0.1), optax.sgd(0.1)),
    "momentum": (scratchnn.optimizers.SGD(0.1, momentum=0.9), optax.sgd(0.1, momentum=0.9)),
    "nesterov": (
        scratchnn.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        optax.sgd(0.1, momentum=0.9, nesterov=True),
    ),
    "adam": (
        scratchnn.optimizers.Adam(0.01, b1=0.8, b2=0.95, eps=1e-6),
        optax.adam(0.01, b1=0.8, b2=0.95, eps=1e-6),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_step_as_those_of_optax(name, rng, x64):
    ours, theirs = OPTIMIZERS[name]
    params = {"fc": {"w": rng.standard_normal((2, 3)), "b": np.zeros(3)}}
    reference = jax.tree.map(jnp.asarray, params)
    state, reference_state = ours.init(params), theirs.init(reference)
    update = jax.jit(theirs.update)
    for _ in range(50):
        # gradients of unlike sizes, one of them tiny, so that eps counts
        grads = {"fc": {"w": rng.standard_normal((2, 3)), "b": 1e-6 * rng.standard_normal(3)}}
        updates, state = ours.update(grads, state)
        expected, reference_state = update(jax.tree.map(jnp.asarray, grads), reference_state)
        for leaf in ("w", "b"):
            np.testing.assert_allclose(updates["fc"][leaf], expected["fc"][leaf], rtol=1e-12)


def test_a_scan_takes_the_steps_of_single_calls(x64):
    carry, split = jax_loop.start(mlp, 0, "float64"), jax_loop.place(digits.train)
    batches = np.random.default_rng(0).integers(0, 1400, (6, 10))
    one_by_one, losses = jax_loop.run(mlp, carry, split, batches)
    at_once, scanned = jax_loop.scan(mlp, carry, split.x, split.y, split.scale, batches)
    np.testing.assert_allclose(losses, scanned, rtol=1e-12)
    for a, b in zip(jax.tree.leaves(one_by_one), jax.tree.leaves(at_once), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_jax_compiles_once_for_equal_experiments():
    training.train(mlp, digits, backend="jax", epochs=1)
    before = jax_loop.step._cache_size()
    equal = dataclasses.replace(mlp, learning_rate=mlp.learning_rate)
    training.train(equal, digits, backend="jax", epochs=2, seed=1)
    assert jax_loop.step._cache_size() == before > 0


def test_an_epoch_visits_no_sample_twice_and_drops_what_fills_no_batch():
    parts = list(training.chunks(0, samples=1237, batch_size=10, epochs=2))
    assert {batches.shape for _, batches, _ in parts} == {(25, 10), (24, 10)}
    assert [last for epoch, _, last in parts if epoch == 1] == [False] * 4 + [True]
    first, second = (
        np.concatenate([batches for epoch, batches, _ in parts if epoch == e]).ravel()
        for e in (1, 2)
    )
    assert len(first) == 1230 == len(set(first)) == len(set(second)) and max(first) <= 1236
    assert (first != second).any()


def test_more_samples_in_a_batch_than_there_are():
    with pytest.raises(ValueError) as error:
        training.train(dataclasses.replace(mlp, batch_size=1401), digits)
    assert str(error.value) == (
        "1400 training samples do not fill a batch of 1401; take a smaller batch"
    )


def test_a_seed_fixes_the_run_and_another_changes_it():
    a, b, c = (training.train(mlp, digits, epochs=1, seed=s).losses for s in (0, 0, 1))
    assert (a == b).all() and (a != c).all()


@pytest.mark.parametrize("backend", training.BACKENDS)
def test_training_is_float32_by_default(backend):
    trained = training.train(mlp, digits, backend=backend, epochs=1)
    leaves = jax.tree.leaves(trained.params)
    assert {str(leaf.dtype) for leaf in leaves} == {"float32"}


@pytest.mark.parametrize("backend", training.BACKENDS)
def test_when_the_time_is_over_the_chunk_is_finished_and_validated(backend):
    seen = []
    options = {"backend": backend, "seconds": 1e-9, "callback": seen.append}
    trained = training.train(mlp, digits, **options)
    (progress,) = seen
    assert progress.step == len(trained.losses) == 14 and progress.done == 1.0
    accuracy = training.evaluate(
        mlp, trained.params, trained.state, digits.validation, backend=backend
    )
    assert progress.accuracy == accuracy > 0.2


def test_progress_tells_where_training_stands():
    seen = []
    trained = training.train(mlp, digits, epochs=2, callback=seen.append)
    assert [(p.epoch, p.step, p.done) for p in seen] == [
        (1, 14, 0.25),
        (1, 28, 0.5),
        (2, 42, 0.75),
        (2, 56, 1.0),
    ]
    assert [p.accuracy is None for p in seen] == [True, False, True, False]
    assert seen[1].loss == pytest.approx(trained.losses[14:28].mean(), rel=1e-12)
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(seen))


@pytest.mark.parametrize("backend", training.BACKENDS)
def test_a_loss_that_is_not_finite_stops_training(backend):
    wild = dataclasses.replace(mlp, learning_rate=1e30)
    with pytest.raises(FloatingPointError) as error:
        training.train(wild, digits, backend=backend, epochs=1)
    assert str(error.value) == (
        "digits-mlp: the loss is nan at step 2; lower the learning rate, which is 1e+30, "
        "say to 1e+29"
    )


@pytest.mark.parametrize("writer, reader", [("numpy", "jax"), ("jax", "numpy")])
def test_a_checkpoint_of_one_backend_serves_the_other(tmp_path, writer, reader):
    trained = training.train(mlp, digits, backend=writer, epochs=3)
    training.save(tmp_path / "a.safetensors", trained, writer)
    params, state = training.load(tmp_path / "a.safetensors", mlp, reader)
    args = (trained.params, trained.state, digits.test)
    written = training.logits(mlp, *args, backend=writer)
    read = training.logits(mlp, params, state, digits.test, backend=reader)
    # two layers of 64 products each, every one rounded at 2^-24
    assert abs(written - read).max() < 2 * 64 * 2**-24 * abs(written).max()
    accuracy = training.evaluate(mlp, *args, backend=writer)
    assert training.evaluate(mlp, params, state, digits.test, backend=reader) == accuracy > 0.9


def test_a_checkpoint_of_another_model_does_not_load(tmp_path):
    trained = training.train(mlp, digits, epochs=1)
    training.save(tmp_path / "a.safetensors", trained, "numpy")
    with pytest.raises(ValueError, match=r"missing params/conv1/b.*extra params/mlp/fc1/b"):
        training.load(tmp_path / "a.safetensors", MODELS["cnn"][0], "numpy")


def test_every_experiment_has_one_parameter_tree_in_both_backends(rng):
    for experiment in experiments.EXPERIMENTS:
        assert isinstance(experiment, Experiment)
        by_hand, _ = experiment.model(scratchnn).init(np.random.default_rng(0))
        autodiff, _ = experiment.model(jaxnn).init(np.random.default_rng(0))
        a, b = scratchnn.trees.flatten(by_hand), jaxnn.trees.flatten(autodiff)
        assert {k: v.shape for k, v in a.items()} == {k: v.shape for k, v in b.items()}
        assert all((a[k].astype("float32") == np.asarray(b[k])).all() for k in a)
