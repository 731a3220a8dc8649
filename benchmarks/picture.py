"""The scoreboard as a picture: what each checker detects, against what it accuses wrongly.

``python -m benchmarks.picture REPORT.json FILE`` draws what
``python -m benchmarks checkers --json`` printed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.checkers import DTYPES, together
from benchmarks.peers import CHECKERS

SUFFIXES = (".svg", ".png")
INK, RULE = "#7d8590", "#7d859055"  # greys that read on white and on black
DETECTED, ALARM = "#2f81f7", "#db6d28"


def draw(rows: list[dict[str, Any]], file: str) -> None:
    """Write the picture of a scoreboard; the suffix of the file is its format."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [n for n in CHECKERS if any(r["checker"] == n and "dtype" in r for r in rows)]
    style = {"font.size": 10, "text.color": INK, "svg.hashsalt": "checkers"}
    with pyplot.rc_context(style):
        size = (9.5, 0.9 + 0.42 * len(names))
        figure, axes = pyplot.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
        for ax, dtype in zip(axes, DTYPES, strict=True):
            panel(ax, [percentages(rows, n, dtype) for n in names])
            ax.set_title(dtype, color=INK, loc="left", fontsize=10)
        labels = [CHECKERS[n].label for n in names]
        axes[0].set_yticks(range(len(names)), labels)
        axes[0].get_yticklabels()[0].set_fontweight("bold")
        wrong, right = (numbers(rows, side) for side in ("wrong", "right"))
        texts = [f"wrong gradients detected, of {wrong}", f"right gradients accused, of {right}"]
        handles = axes[0].collections[:2]
        where = {"loc": "outside lower center", "ncols": 2, "frameon": False, "handletextpad": 0.1}
        figure.legend(handles, texts, **where)
        figure.savefig(file, transparent=True, dpi=160, metadata=undated(file))
        pyplot.close(figure)


def undated(file: str) -> dict[str, None]:
    """The same rows make the same file."""
    return {"Date": None} if file.endswith(".svg") else {}


def percentages(rows: list[dict[str, Any]], checker: str, dtype: str) -> tuple[float, float]:
    """(detected of wrong, false alarms of right), over both halves.

    >>> row = {"checker": "jax", "dtype": "float64", "wrong": {"detected": 3, "missed": 1}}
    >>> percentages([row | {"right": {"accepted": 5}}], "jax", "float64")
    (75.0, 0.0)
    """
    mine = [r for r in rows if (r["checker"], r.get("dtype")) == (checker, dtype)]
    total = together(mine)
    words = {"wrong": "detected", "right": "false alarm"}
    return tuple(
        100 * total[side].get(word, 0) / max(sum(total[side].values()), 1)
        for side, word in words.items()
    )


def numbers(rows: list[dict[str, Any]], side: str) -> int:
    """How many gradients each checker was asked about in one dtype."""
    first = [r for r in rows if "dtype" in r and r["checker"] == rows[0]["checker"]]
    return sum(sum(r[side].values()) for r in first if r["dtype"] == DTYPES[0])


def panel(ax: Any, points: list[tuple[float, float]]) -> None:
    """One line per checker, from its false alarms to what it detects."""
    for y, (detected, alarms) in enumerate(points):
        ax.plot([alarms, detected], [y, y], color=RULE, linewidth=2, zorder=1)
        ax.scatter(detected, y, s=52, color=DETECTED, zorder=2)
        ax.scatter(alarms, y, s=36, color=ALARM, marker="D", zorder=3)
        side = 1 if detected >= alarms else -1
        for x, offset in ((detected, 8 * side), (alarms, -8 * side)):
            text = f"{x:.0f} %" if x in (0, 100) else f"{x:.1f} %"
            where = {"ha": "left" if offset > 0 else "right", "va": "center", "fontsize": 8.5}
            ax.annotate(text, (x, y), (offset, 0), textcoords="offset points", **where)
    ax.set_xlim(-16, 118)
    ax.set_ylim(len(points) - 0.5, -0.6)
    ax.set_xticks([])
    ax.tick_params(length=0, labelcolor=INK)
    ax.set_facecolor("none")
    for spine in ax.spines.values():
        spine.set_visible(False)


def main(argv: list[str]) -> int:
    if len(argv) != 2 or not argv[1].endswith(SUFFIXES):
        print("usage: python -m benchmarks.picture REPORT.json FILE.svg|png", file=sys.stderr)
        return 2
    draw(json.loads(Path(argv[0]).read_text())["rows"], argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
