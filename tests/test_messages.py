"""What is said of each broken pair is that of golden/messages.txt, figures apart.

If a change of words is meant, write the new ones with `python -m tests.test_messages`: read them.
"""

import re
from pathlib import Path

import pytest

from tests.subjects_broken import PAIRS, reports

GOLDEN = Path(__file__).parent / "golden/messages.txt"
RIGHT = {"pass", "blind", "another subgradient", "saturated", "vacuous"}


def text(name, report):
    """The report as people read it; figures that rounding moves, folders and lines left out."""
    lines = str(report)
    lines = re.sub(r"\d\.\d+e[-+]\d+|\de[-+]\d+", "#", lines)
    lines = re.sub(r"\(?/\S*/(\w+\.py):\d+\)?", r"(\1)", lines)
    return f"== {name}\n{lines}\n"


@pytest.fixture(scope="module")
def said():
    return {name: text(name, report) for name, report in reports().items()}


@pytest.fixture(scope="module")
def golden():
    parts = GOLDEN.read_text().split("== ")[1:]
    return {p.split("\n")[0]: "== " + p for p in parts}


@pytest.mark.parametrize("name", PAIRS)
def test_message(name, said, golden):
    assert said[name] == golden[name], "if it is meant: python -m tests.test_messages"


@pytest.mark.parametrize("name", sorted(set(PAIRS) - RIGHT))
def test_a_broken_pair_does_not_pass(name, said):
    verdict = said[name].split(": ")[1].split("\n")[0]
    assert verdict in ("fail", "error")


def test_nothing_is_left_over(golden):
    assert set(golden) == set(PAIRS)


if __name__ == "__main__":
    GOLDEN.write_text("".join(text(name, report) for name, report in reports().items()))
