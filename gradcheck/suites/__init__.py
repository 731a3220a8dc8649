"""Suites: what a course or a library agreed on, by name and signature.

A suite is a tuple of `Op`s, `Class`es and `Network`s: what a function or a class is called, which
arrays it takes, and the cases under which it is checked, chosen to be hard. A file that holds one
of that name and signature is checked under them with no further word; one's own conventions stand
in a `SUITE` of the file.
"""

from collections.abc import Iterable
from types import ModuleType

from gradcheck.suites.classes import Class, RecognisedClass
from gradcheck.suites.networks import Network, RecognisedNetwork
from gradcheck.suites.ops import Op, Recognised

__all__ = ["Class", "Network", "Op", "of", "recognise"]
Known = Recognised | RecognisedClass | RecognisedNetwork


def of(module: ModuleType) -> list[Known]:
    """What a module holds of its own `SUITE` and of the shipped ones, in the order of its file.

    What the module gives `CASES` for is left to those.
    """
    from gradcheck.suites import cs231n, nnfs

    own, cases = getattr(module, "SUITE", ()), getattr(module, "CASES", {})
    several = own if isinstance(own, (list, tuple)) else ()  # others may use the name otherwise
    own = [entry for entry in several if isinstance(entry, (Op, Class, Network))]
    known = recognise(module, (*cs231n.SUITE, *nnfs.SUITE, *own))
    found = {r.name: r for r in known if r.name not in cases}  # one's own comes last
    return sorted(found.values(), key=lambda r: r.functions[-1].__code__.co_firstlineno)


def recognise(module: ModuleType, suite: Iterable[Op | Class | Network]) -> list[Known]:
    """What a module defines of a suite: under that name, with that signature."""
    found: list[Known] = []
    for entry in suite:
        known = entry.found(module)
        found += [known] if known else []
    return found
