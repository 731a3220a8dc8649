"""The command line: nnlab list, nnlab train NAME."""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

OK, FAILED, USAGE, INTERRUPTED, CLOSED = 0, 1, 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words of the command line; by default those of the process.

    Returns:
        The exit status: 0, 1 where training failed, 2 for bad input, 130 after Ctrl-C, 141 when
        nobody reads on.

    >>> main(["train", "mnist-ccn"])
    2
    """
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has gone
        sys.stderr.close()
        return CLOSED


def complain(what: object, status: int) -> int:
    """One line on stderr; the status is handed back."""
    print("nnlab:", " ".join(str(what).split()), file=sys.stderr)
    return status


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line, without the usage."""

    def error(self, message: str):
        raise SystemExit(complain(f"{message}; see {self.prog} --help", USAGE))


def parser() -> Parser:
    """The options of every command."""
    top = Parser("nnlab", description="Train the models of scratchnn and jaxnn.")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser("list", help="the experiments")
    command.set_defaults(run=list_experiments)
    command = commands.add_parser(
        "train",
        help="train a model, measure it on the test data, save it",
        description="Train a model, measure it on the test data, save it. "
        "With both --seconds and --epochs the first to be reached ends the training.",
    )
    command.set_defaults(run=train)
    command.add_argument("name", metavar="NAME", help="of an experiment, see nnlab list")
    command.add_argument("--backend", default="numpy", metavar="B", help="numpy (default) or jax")
    command.add_argument("--epochs", type=whole(1), metavar="E", help="passes over the data")
    command.add_argument("--seconds", type=positive, metavar="S", help="time to train for")
    command.add_argument("--seed", type=whole(0), default=0, metavar="N", help="0 by default")
    command.add_argument("--learning-rate", type=positive, metavar="R")
    command.add_argument(
        "--out", metavar="FILE", help="checkpoint, runs/NAME-BACKEND.safetensors by default"
    )
    return top


def whole(least: int):
    """A reader of whole numbers from `least` on.

    >>> whole(1)("3")
    3
    """

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return read


def positive(text: str) -> float:
    """A number above 0.

    >>> positive("0.5")
    0.5
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def list_experiments(options: argparse.Namespace) -> int:
    """Print name and description of every experiment."""
    from nnlab.experiments import EXPERIMENTS

    width = max(len(e.name) for e in EXPERIMENTS)
    for e in EXPERIMENTS:
        print(f"{e.name:{width}}  {e.description}")
    return OK


def train(options: argparse.Namespace) -> int:
    """Train, test and save."""
    from dataclasses import replace

    from nnlab import datasets, display, experiments, training

    try:
        experiment = experiments.find(options.name)
        if options.learning_rate:
            experiment = replace(experiment, learning_rate=options.learning_rate)
        training.loop(options.backend)
        out = Path(options.out or f"runs/{experiment.name}-{options.backend}.safetensors")
        check_writable(out)
        dataset = datasets.load(experiment.dataset)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        return complain(error, USAGE)
    print(f"{experiment.name}: {experiment.description}; {options.backend}, seed {options.seed}")
    try:
        with display.shown(experiment.name, sys.stdout.isatty()) as callback:
            trained = training.train(
                experiment,
                dataset,
                backend=options.backend,
                seed=options.seed,
                epochs=options.epochs,
                seconds=options.seconds,
                callback=callback,
            )
        accuracy = training.evaluate(
            experiment, trained.params, trained.state, dataset.test, backend=options.backend
        )
        training.save(out, trained, options.backend)
    except FloatingPointError as error:
        return complain(f"{error}; nothing was saved", FAILED)
    except OSError as error:
        return complain(f"cannot write {out}: {error.strerror or error}; nothing was saved", FAILED)
    except KeyboardInterrupt:
        before = f", {out} is as it was" if out.exists() else ""
        return complain(f"interrupted; nothing was saved{before}", INTERRUPTED)
    print(f"test accuracy {100 * accuracy:.2f} % of {len(dataset.test.y):,}")
    print(f"{len(trained.losses):,} steps in {trained.seconds:.1f} s; saved {out}")
    return OK


def check_writable(out: Path) -> None:
    """Create the folder of a checkpoint and see that a file can be made there.

    Raises:
        ValueError: it cannot; the message says why.

    >>> check_writable(Path(tempfile.gettempdir()))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: cannot write ...: it is a folder; give --out another file
    """
    if out.is_dir():
        raise ValueError(f"cannot write {out}: it is a folder; give --out another file")
    if out.parent.is_file():
        raise ValueError(f"cannot write {out}: {out.parent} is no folder; give --out another file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise ValueError(
            f"cannot write {out}: {error.strerror or error}; give --out another file"
        ) from None


if __name__ == "__main__":
    raise SystemExit(main())
