"""Is this gradient right, and if not, which line is wrong?

    report = gradcheck.check(f, f_backward, *arrays)

checks a hand-written backward against `jax.vjp` of a twin, where one is given, and against
differences of its own forward with a certified error. There is no tolerance to choose.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck import strategies as strategies
    from gradcheck.checks import assert_gradients as assert_gradients
    from gradcheck.checks import check as check
    from gradcheck.report import Argument as Argument
    from gradcheck.report import Finding as Finding
    from gradcheck.report import Report as Report
    from gradcheck.strategies import given as given

# imported when they are asked for: pytest imports this package wherever it is installed
PLACES = {
    "check": "checks",
    "assert_gradients": "checks",
    "Argument": "report",
    "Finding": "report",
    "Report": "report",
    "given": "strategies",
    "strategies": "",
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'gradcheck' has no attribute {name!r}")
    if not PLACES[name]:
        return import_module(f"gradcheck.{name}")
    return getattr(import_module(f"gradcheck.{PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PLACES})
