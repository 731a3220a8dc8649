"""The statements of a forward: what each of its values is made of, and what that gives it."""

import ast
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.built import sum_of, tidied
from gradcheck.files import File
from gradcheck.looks import names_in
from gradcheck.missing import evaluated
from gradcheck.syntax import expression
from gradcheck.vjps import G, Rules, Share

Scope = tuple[dict[str, Any], dict[str, Any]]
Ended = tuple[Scope, Scope | None]  # of a function as it ends, and once more, for other sizes
ACTIVATIONS = {"arctan", "erf", "exp", "expit", "expm1", "sigmoid", "softplus", "tanh"}
OUTPUT = "output {}"


class Forward:
    """The statements of a forward: what each of its values is made of, what it is used for."""

    def __init__(self, function: ast.FunctionDef, file: File, there: Ended):
        self.partial: set[tuple[int, str]] = set()  # of which not all shares are known
        self.there, self.again = there
        self.known, self.given = dict[str, Any](), dict[tuple, list[Share]]()
        self.later = dict[str, Any]()  # values of expressions when the backward ends
        self.made: list[tuple[str, ast.expr]] = []
        self.outputs: list[str] = []
        self.written: list[ast.expr] = []  # the indices of what is written over
        self.arguments = [a.arg for a in function.args.args if a.arg not in ("self", "cls")]
        entries: dict[int, ast.expr] = {}  # of values, what they are in a list or an array
        for node in ast.walk(function):
            match node:
                case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value):
                    self.made += [(name, value)] * (value is not None)
                case ast.AugAssign(ast.Name(name), (ast.Add() | ast.Sub()) as op, value):
                    less = ast.UnaryOp(ast.USub(), value) if isinstance(op, ast.Sub) else value
                    self.made.append((name, less))
                case ast.Assign([ast.Subscript(ast.Name(name), index) as entry], value):
                    self.made.append((name, value))
                    self.written.append(index)
                    entries[id(value)] = expression(ast.unparse(entry))
                case ast.Assign([ast.Tuple(targets)], value):
                    self.made += _parted(targets, value)
                case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "append"), [value])):
                    self.made.append((name, value))
                    entries[id(value)] = expression(f"{name}[-1]")
        ends = [n for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
        for value in [n.value for n in ends[-1:] if n.value]:
            pair = isinstance(value, ast.Tuple) and len(value.elts) == 2
            whole = value.elts[0] if isinstance(value, ast.Tuple) and pair else value
            several = whole.elts if isinstance(whole, ast.Tuple) else [whole]
            for k, y in enumerate(several):
                self.outputs.append(OUTPUT.format(k))
                self.made.append((OUTPUT.format(k), y))
        self.texts = {
            ast.dump(v): entries.get(id(v), ast.Name(n, ast.Load()))
            for n, v in self.made
            if not isinstance(v, ast.Name)
        }
        self.rules = Rules(self.value, {f.name: f for f in file.functions}, self.texts)

    def value(self, node: ast.AST) -> Any:
        """The value of an expression when the forward ended."""
        mark = ast.dump(node)
        if mark not in self.known:
            self.known[mark] = evaluated(node, self.there)
        return self.known[mark]

    def local(self, e: ast.expr, v: str) -> list[Share]:
        """What the places of v in an expression give it; none where that cannot be told."""
        mark = id(e), v
        if mark not in self.given:
            self.given[mark] = []
            try:
                for share in self.rules.shares(e, v):
                    self.given[mark].append(share)
            except (ValueError, TypeError, IndexError, KeyError, AttributeError):
                self.partial.add(mark)  # there may be more
        return self.given[mark]

    @cached_property
    def parts(self) -> list[tuple[str, ast.expr, ast.expr]]:
        """(u, part, cotangent) for each value without a name that u is made of."""
        found = []
        for u, e in self.made:
            with suppress(ValueError, TypeError, IndexError, KeyError, AttributeError):
                found += [(u, p, g) for p, g in self.rules.within(e) if not isinstance(g, ast.Name)]
        return found

    @cached_property
    def slopes(self) -> list[ast.expr]:
        """What cotangents are multiplied by, as a whole and function by function."""
        found: dict[str, ast.expr] = {}
        for _, e in self.made:
            factors: list[ast.expr] = []
            for v in self.names:
                own = [f for s in self.local(e, v) if (f := _factor(s.node)) is not None]
                factors += own
                if len(own) > 1:
                    factors.append(sum_of(own))
            for slope in map(tidied, (*self.rules.slopes(e), *factors)):
                if not isinstance(slope, ast.Constant):
                    found[ast.dump(slope)] = slope
        return [*found.values()]

    @cached_property
    def names(self) -> list[str]:
        return [*dict.fromkeys([*self.arguments, *(n for n, _ in self.made)])]

    def uses(self, name: str) -> Iterator[tuple[str, ast.expr]]:
        """(u, e) of each u = e in which a name stands."""
        return ((u, e) for u, e in self.made if name in names_in(e))


def activations(forward: ast.FunctionDef, file: File, there: Scope) -> tuple[np.ndarray, ...]:
    """The slopes of the activations that a forward applies, as arrays."""
    source = Forward(forward, file, (there, None))
    nodes = [s for _, e in source.made for s in source.rules.slopes(e, ACTIVATIONS)]
    values = [evaluated(n, there) for n in nodes]
    return tuple(v for v in values if isinstance(v, np.ndarray) and v.dtype.kind in "fb")


def _parted(targets: list[ast.expr], value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names of several results, each with what it is."""
    names = [getattr(t, "id", "") for t in targets]
    if isinstance(value, ast.Tuple) and len(value.elts) == len(names):
        yield from ((n, e) for n, e in zip(names, value.elts, strict=True) if n)


def _factor(node: ast.expr) -> ast.expr | None:
    """What the cotangent is multiplied by, if by nothing but factors."""
    match node:
        case ast.Name(name) if name == G:
            return ast.Constant(1)
        case ast.BinOp(left, (ast.Mult() | ast.Div()) as op, right) if G in names_in(left):
            inner = _factor(left)
            if inner is None:
                return None
            one = isinstance(inner, ast.Constant)
            return right if one and isinstance(op, ast.Mult) else ast.BinOp(inner, op, right)
        case ast.UnaryOp(ast.USub(), inner):
            rest = _factor(inner)
            return None if rest is None else ast.UnaryOp(ast.USub(), rest)
    return None
