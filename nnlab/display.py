"""Progress on the screen: a bar on a terminal, else one line per epoch."""

import contextlib
from collections.abc import Callable, Iterator

from nnlab.training import Progress


@contextlib.contextmanager
def shown(name: str, terminal: bool) -> Iterator[Callable[[Progress], None]]:
    """A callback for `nnlab.training.train` that shows each `Progress`.

    Args:
        name: of the experiment.
        terminal: whether stdout is one; a bar needs it.

    >>> with shown("digits-mlp", terminal=False) as callback:
    ...     callback(Progress(1, 28, 0.05, 1.25, 0.75, 31000.0, 0.1))
    epoch 1, step 28: loss 1.2500, validation 75.00 %, 31,000 samples/s
    """
    if not terminal:
        yield lambda progress: print_epoch(progress)
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns) as bar:
        task = bar.add_task(name, total=1.0, figures="starting")
        accuracy = None

        def update(progress: Progress) -> None:
            nonlocal accuracy
            accuracy = progress.accuracy or accuracy
            bar.update(
                task,
                completed=progress.done,
                description=f"epoch {progress.epoch}",
                figures=figures(progress, accuracy),
            )

        yield update


def print_epoch(progress: Progress) -> None:
    """One line, when the validation data was just measured."""
    if progress.accuracy is not None:
        where = f"epoch {progress.epoch}, step {progress.step:,}"
        print(f"{where}: {figures(progress, progress.accuracy)}", flush=True)


def figures(progress: Progress, accuracy: float | None) -> str:
    """Loss, validation accuracy and speed.

    >>> figures(Progress(1, 28, 0.05, 1.25, None, 31000.0, 0.1), None)
    'loss 1.2500, 31,000 samples/s'
    """
    validation = "" if accuracy is None else f"validation {100 * accuracy:.2f} %, "
    return f"loss {progress.loss:.4f}, {validation}{progress.samples_per_second:,.0f} samples/s"
