"""``python -m benchmarks``: list the benchmarks, or run one."""

import argparse
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

from rich.console import Console

from benchmarks import machine

BENCHMARKS = {  # name -> module with run(rounds, quick, seed) -> rows and show(console, rows)
    "conv": ("benchmarks.convolution", "scratchnn.conv2d by hand against XLA's convolution"),
    "campaign": ("benchmarks.campaign", "the harness on right gradients at 100,000 points"),
    "checkers": ("benchmarks.checkers", "gradient checkers on right and wrong gradients"),
    "blind": ("benchmarks.blind", "wrong gradients that well-known checkers accept"),
    "conv-check": ("benchmarks.conv_check", "the cost of checking conv2d, against PyTorch"),
    "mutation": ("benchmarks.mutation", "every hand backward with small mistakes in it, checked"),
    "doctor": ("benchmarks.doctor", "known mistakes: how they are named, placed and mended"),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="which benchmark; without it, list them")
    parser.add_argument("--rounds", type=int, default=15, help="samples of each side (15)")
    parser.add_argument("--quick", action="store_true", help="a trial run on small shapes")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (0)")
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    parser.add_argument("--picture", metavar="FILE", help="draw it too: FILE.svg or FILE.png")
    options = parser.parse_args(argv)
    if options.name is None:
        for name, (_, what) in BENCHMARKS.items():
            print(f"{name:12}{what}")
        return 0
    if options.name not in BENCHMARKS:
        return usage(f"no benchmark {options.name!r}; there is {', '.join(BENCHMARKS)}")
    if options.rounds < 1:
        return usage(f"--rounds is {options.rounds}; wanted at least 1")
    try:
        module = importlib.import_module(BENCHMARKS[options.name][0])
    except ModuleNotFoundError as error:
        return usage(f'{error.name} is not installed; python -m pip install -e ".[test]"')
    refused = options.picture and no_picture(module, options.picture)
    if refused:
        return usage(refused)
    rounds = min(options.rounds, 3) if options.quick else options.rounds
    about = machine.describe()
    rows = module.run(rounds=rounds, quick=options.quick, seed=options.seed)
    if options.json:
        report = {"schema": 1, "benchmark": options.name, "machine": about, "rounds": rounds}
        print(json.dumps(report | {"seed": options.seed, "rows": rows}, indent=1))
    else:
        console = Console(highlight=False)
        machine.show(console, about)
        module.show(console, rows, rounds)
    if options.picture:
        module.draw(rows, options.picture)
    return 0


def no_picture(module: ModuleType, file: str) -> str:
    """Why the picture cannot be drawn, or nothing; said before the work, not after."""
    if not hasattr(module, "draw"):
        return "--picture: this benchmark has no picture; checkers has one"
    if not file.endswith((".svg", ".png")):
        return f"--picture is {file}; wanted FILE.svg or FILE.png"
    if not Path(file).resolve().parent.is_dir():
        return f"--picture is {file}; its folder does not exist"
    if importlib.util.find_spec("matplotlib") is None:
        return 'matplotlib is not installed; python -m pip install -e ".[referees]"'
    return ""


def usage(message: str) -> int:
    print(f"benchmarks: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
