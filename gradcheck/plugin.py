"""The pytest plugin: a fixture and a marker `gradcheck`, options under ``--gradcheck-*``.

    def test_affine(gradcheck):
        gradcheck(affine, affine_backward, x, w, b)

pytest imports this wherever it is installed, so everything else is imported where it is used.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.discovery import Check
    from gradcheck.report import Report

SPEAKERS = ("gradcheck.checks", "gradcheck.strategies")  # whose AssertionErrors are reports
OPTIONS = ("seed", "order", "reference", "config", "diagnose")
MARKER = """\
gradcheck(seed=0, order=1, reference=None, config=None, diagnose=None): \
what the fixture gradcheck passes on to gradcheck.check in this test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gradcheck", "gradients written by hand")
    group.addoption(
        "--gradcheck-seed", type=int, default=0, metavar="N", help="of cotangents (default 0)"
    )
    group.addoption(
        "--gradcheck-quick", action="store_true", help="numeric only: leave reference= out"
    )
    group.addoption(
        "--gradcheck-modules",
        action="store_true",
        help="check the pairs of all files, as the command gradcheck does, each as a test",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    seed = config.getoption("--gradcheck-seed")
    if seed < 0:
        raise pytest.UsageError(f"--gradcheck-seed is {seed}; wanted 0 or more")


def pytest_report_header(config: pytest.Config) -> str:
    modules = ", the pairs of all files" * config.getoption("--gradcheck-modules")
    return f"gradcheck: seed {config.getoption('--gradcheck-seed')}, {_oracle(config)}{modules}"


def _oracle(config: pytest.Config) -> str:
    if config.getoption("--gradcheck-quick"):
        return "numeric only"
    return "with JAX" if find_spec("jax") else "without JAX"


@dataclass(frozen=True)
class Checker:
    """`gradcheck.assert_gradients` and `gradcheck.check` with the options of a test.

    What is given in the call goes before the marker, and that before the command line.
    """

    options: dict[str, Any]
    quick: bool = False

    def __call__(self, *pair_and_arrays: Any, **options: Any) -> None:
        from gradcheck.checks import assert_gradients

        assert_gradients(*pair_and_arrays, **self._with(options))

    assert_gradients = __call__

    def check(self, *pair_and_arrays: Any, **options: Any) -> "Report":
        from gradcheck.checks import check

        return check(*pair_and_arrays, **self._with(options))

    def _with(self, options: dict[str, Any]) -> dict[str, Any]:
        options = {**self.options, **options}
        return {**options, "reference": None, "order": 1} if self.quick else options


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Checker:
    """Checks hand-written gradients: gradcheck(f, f_backward, *arrays, config=..., seed=...)."""
    options = {"seed": request.config.getoption("--gradcheck-seed")}
    for marker in reversed([*request.node.iter_markers("gradcheck")]):  # the closest comes last
        unknown = [*map(repr, marker.args), *(k for k in marker.kwargs if k not in OPTIONS)]
        if unknown:
            wanted = ", ".join(f"{name}=" for name in OPTIONS)
            pytest.fail(f"mark.gradcheck got {unknown[0]}; wanted {wanted}", pytrace=False)
        options |= marker.kwargs
    return Checker(options, request.config.getoption("--gradcheck-quick"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A wrong gradient is shown as the command shows it, under the line that asked for it."""
    report = yield
    if call.excinfo and isinstance(call.excinfo.value, AssertionError):
        frames = call.excinfo.traceback
        if frames and frames[-1].frame.f_globals.get("__name__") in SPEAKERS:
            own = [e.lineno + 1 for e in frames if e.path == item.path]
            report.longrepr = _shown(call.excinfo, item.path, own[-1] if own else 0)
    return report


def _shown(excinfo: pytest.ExceptionInfo, path: Path, line: int) -> Any:
    """The text of an exception, and where, as pytest keeps and prints them."""
    text = "\n".join([str(excinfo.value), *getattr(excinfo.value, "__notes__", ())])
    shown: Any = excinfo.getrepr(style="native")
    shown.reprtraceback.reprentries[0].lines = [
        f"{_near(path)}{f':{line}' * bool(line)}:\n{text}\n"
    ]
    if shown.reprcrash:  # the line of the summary
        shown.reprcrash.path, shown.reprcrash.lineno = str(path), line
        shown.reprcrash.message = text.splitlines()[0]
    return shown


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "Pairs | None":
    if not parent.config.getoption("--gradcheck-modules") or file_path.suffix != ".py":
        return None
    from gradcheck.loading import speaks

    # what tests hold is theirs to check
    tests = [*parent.config.getini("python_files"), "conftest.py", "setup.py"]
    if any(fnmatch(file_path.name, pattern) for pattern in tests) or not speaks(file_path):
        return None
    return Pairs.from_parent(parent, path=file_path)


class Pairs(pytest.File):
    """The pairs of a file."""

    def collect(self) -> Iterable["Pair"]:
        from gradcheck.discovery import resolve
        from gradcheck.loading import NoPairError, TargetError

        try:
            checks = resolve(str(self.path))
        except NoPairError:
            return
        except TargetError as error:
            raise self.CollectError(str(error)) from None
        for check in checks:
            yield Pair.from_parent(self, name=check.name, check=check)


class Pair(pytest.Item):
    """One pair, checked as the command checks it."""

    def __init__(self, *, check: "Check", **given: Any):
        super().__init__(**given)
        self.pair = check

    def runtest(self) -> None:
        from gradcheck import autodiff
        from gradcheck.main import _run

        quick = self.config.getoption("--gradcheck-quick")
        seed = self.config.getoption("--gradcheck-seed")
        report = _run(self.pair, seed, autodiff.available() and not quick)
        if report.verdict not in ("pass", "kink"):
            raise AssertionError(str(report))

    def repr_failure(self, excinfo: pytest.ExceptionInfo, style: Any = None) -> Any:
        if isinstance(excinfo.value, AssertionError):
            return _shown(excinfo, self.path, 0)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"gradients of {self.name}"
