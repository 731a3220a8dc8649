"""What a wrong gradient lacks, or is instead, found by its value among those in scope."""

import ast
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from gradcheck.cropped import crops, reshapes
from gradcheck.files import File
from gradcheck.ingredients import Ingredients
from gradcheck.inside import inside
from gradcheck.missing import ending, known, shapes, sums
from gradcheck.syntax import size
from gradcheck.trial import Draw, Wrong


def by_value(
    file: File, backward: FunctionType, lines: set[int], draw: Draw, wrong: Wrong
) -> Iterator[list[tuple[ast.expr, bool]]]:
    """For each wrong gradient, expressions and whether they are to be added to it.

    Args:
        file, backward: where the expressions are from.
        lines: of the statements of which a part may be replaced.
        draw: at which the right gradients are known.
        wrong: the arguments whose gradients are not right.
    """
    gradients = list[Any]()
    function, dy = file.by_name[backward.__qualname__], draw.probes[0][0]
    scope = ending(backward.__code__, lambda: gradients.extend(draw.gradients(dy)))
    if scope is None:
        return
    given = Ingredients(file, function.node, function.fields)
    arrays, numbers = known(given, scope)
    values = arrays, {t: n for t, n in numbers.items() if t not in given.steps}  # these are over
    named = [(k.node, k.value) for k in values[0]]
    good, _ = draw.judged(tuple(gradients))
    sought = sorted(wrong.arguments & draw.truths.keys())
    for i in sought:
        G = draw.truths[i]
        parts = [*crops(G, named, values[1]), *reshapes(G, named, shapes(given, scope))]
        yield [(n, False) for n in parts]
    wholes = [e for s in given.statements if s.lineno in lines for e in _results(s)]
    for i in sought:
        G = draw.truths[i]
        if i in good:
            found = [inside(e, good[i], G, scope, values) for e in wholes]
            yield [(n, False) for several in found for n in several]
        added = sums(G - good[i], *values) if i in good else []
        both = (True, added), (False, sums(G, *values))
        yield sorted([(n, more) for more, ns in both for n in ns], key=lambda n: size(n[0]))


def _results(stmt: ast.stmt) -> list[ast.expr]:
    """What is assigned, or each of what is returned."""
    value = getattr(stmt, "value", None)
    return getattr(value, "elts", [value]) if isinstance(value, ast.expr) else []
