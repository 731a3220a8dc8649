"""The instrument changes nothing that it watches, sees all of it, and leaves no trace."""

import ast
import importlib
import linecache
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gradcheck.instrument import Hook, reach, watching
from gradcheck.kinks import Fingerprint
from gradcheck.rounding import Decisions, Jitter
from gradcheck.stepper import Recorder
from tests import subjects_odd as odd


class Census(Hook):
    """Counts what it sees."""

    def __init__(self):
        self.seen = Counter()
        self.called = Counter()
        self.assigned = []

    def call(self, site, f, /, *args, **kwargs):
        self.seen[site] += 1
        self.called[getattr(f, "__name__", type(f).__name__)] += 1
        return f(*args, **kwargs)

    def compare(self, site, value):
        self.seen[site] += 1
        return value

    def assign(self, site, value):
        self.seen[site] += 1
        self.assigned.append((site, value))
        return value

    augment = assign


def point():
    rng = np.random.default_rng(7)
    return rng.standard_normal((4, 6)), rng.standard_normal(6), np.array([3, 5, 1, 4, 2])


def same(a, b):
    """Whether two results are equal to the last bit, of the same types all through."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or a != a


def silent_jitter():
    """Jitter of size zero: all its work and no noise."""
    return Jitter(np.random.default_rng(0), Decisions(), unit=0.0)


HOOKS = [Hook, Census, Fingerprint, Decisions, Recorder, silent_jitter]


@pytest.mark.parametrize("make", HOOKS, ids=lambda h: h.__name__)
@pytest.mark.parametrize("f", odd.SUBJECTS, ids=lambda f: f.__name__)
def test_watched_and_plain_runs_agree_bit_for_bit(f, make):
    plain = f(*point())
    with watching([f], make()):
        watched = f(*point())
    assert same(plain, watched), f"{f.__name__}: {plain} became {watched}"
    assert same(plain, f(*point()))


@pytest.mark.parametrize("f", odd.SUBJECTS, ids=lambda f: f.__name__)
def test_replayed_decisions_agree_bit_for_bit(f):
    decisions = Decisions()
    with watching([f], decisions):
        plain = f(*point())
    with watching([f], Jitter(np.random.default_rng(0), decisions, unit=0.0)):
        watched = f(*point())
    assert same(plain, watched)


@pytest.mark.parametrize("f", odd.SUBJECTS, ids=lambda f: f.__name__)
def test_every_line_that_assigns_or_returns_is_seen_where_it_stands(f):
    census = Census()
    with watching([f], census):
        f(*point())
    tree = ast.parse(Path(odd.__file__).read_text())
    stands = {(n.lineno, n.col_offset): n for n in ast.walk(tree) if isinstance(n, ast.stmt)}
    assert census.assigned, "nothing was observed"
    for site, _ in census.assigned:
        assert site.file == odd.__file__
        statement = stands[site.line, site.column]
        assert ast.dump(ast.parse(site.code, mode="exec").body[0]) == ast.dump(statement)


def test_the_functions_reached_are_those_of_the_project_alone():
    for f in odd.SUBJECTS:
        for g in reach([f]):
            assert g.__code__.co_filename in (odd.__file__, "<string>")
    assert odd.softmax not in reach([odd.imported_names])


@pytest.mark.parametrize(
    ("root", "wanted"),
    [
        (odd.recursion, {"factorial"}),
        (odd.classes, {"forward", "norm", "double", "make", "__init__", "__call__", "__matmul__"}),
        (odd.decorated, {"wrapper", "decorated"}),
        (odd.partials, {"power"}),
        (odd.by_vectorize, {"hinge"}),
        (odd.with_global, {"<lambda>"}),
        (odd.dataclass, {"__post_init__", "apply"}),
        (partial(odd.power, p=3), {"power"}),
        (odd.Empty(np.ones(3)), {"forward", "__call__"}),
        (odd.Empty(np.ones(3)).forward, {"forward", "norm"}),
        (odd.hinge, {"hinge"}),
        (odd.make_counter(), {"step"}),
    ],
    ids=lambda v: "-".join(sorted(v)) if isinstance(v, set) else type(v).__name__,
)
def test_functions_are_reached_through(root, wanted):
    assert wanted <= {f.__code__.co_name for f in reach([root])}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function that writes files, importable, and imports one of them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def build(files, name):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / path).write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield build
    for name in set(sys.modules) - before:
        del sys.modules[name]


def called_in(f, *args):
    census = Census()
    with watching([f], census):
        f(*args)
    return census.called


def test_functions_of_other_modules_are_reached_by_any_import(project):
    act = "import numpy as np\n\n\ndef {0}(x):\n    return np.{0}(x)\n"
    net = (
        "import odd_a.sub.first\nfrom odd_a import second as two\nfrom odd_a.third import exp\n\n\n"
        "def f(x):\n    from .fourth import sinh\n    from odd_a import fifth\n"
        "    return odd_a.sub.first.tanh(x), two.cos(x), exp(x), sinh(x), fifth.log(x)\n"
    )
    files = {"odd_a/__init__.py": "", "odd_a/sub/__init__.py": "", "odd_a/net.py": net}
    names = ("sub/first", "tanh"), ("second", "cos"), ("third", "exp"), ("fourth", "sinh")
    files |= {f"odd_a/{file}.py": act.format(f) for file, f in (*names, ("fifth", "log"))}
    f = project(files, "odd_a.net").f
    f(1.0)  # what is imported inside is known after a first run
    # each by its wrapper, and by NumPy's own function inside the wrapper
    assert called_in(f, 1.0) == {"tanh": 2, "cos": 2, "exp": 2, "sinh": 2, "log": 2}


def test_a_relative_import_inside_a_function_is_followed(project):
    files = {
        "odd_h/__init__.py": "",
        "odd_h/net.py": "def f(x):\n    from .act import twice\n    return twice(x)\n",
        "odd_h/act.py": "def twice(x):\n    return x * 2\n",
    }
    f = project(files, "odd_h.net").f
    f(1.0)
    assert called_in(f, 1.0) == {"twice": 1, "mul": 1}


def test_methods_that_a_class_of_a_single_file_inherits_are_reached(project):
    text = (
        "class A:\n    def f(self, x):\n        return self.g(x) + 1\n\n"
        "    def g(self, x):\n        return x * 2\n\n\nclass B(A):\n    pass\n"
    )
    assert called_in(project({"odd_i.py": text}, "odd_i").B().f, 1.0) == {
        "g": 1,
        "mul": 1,
        "add": 1,
    }


def test_functions_in_a_folder_of_single_files_see_each_other(project):
    files = {
        "odd_b.py": "import odd_c\n\n\ndef f(x):\n    return odd_c.g(x) + 1\n",
        "odd_c.py": "def g(x):\n    return x * 2\n",
    }
    assert called_in(project(files, "odd_b").f, 1.0) == {"g": 1, "mul": 1, "add": 1}


def test_a_decorator_from_another_project_does_not_hide_the_function(project):
    files = {
        "odd_d/__init__.py": "import functools\n\n\ndef plain(f):\n    @functools.wraps(f)\n"
        "    def inner(*a):\n        return f(*a)\n\n    return inner\n",
        "odd_e/__init__.py": "",
        "odd_e/net.py": "from odd_d import plain\n\n\n@plain\ndef f(x):\n    return x * 2\n",
    }
    assert called_in(project(files, "odd_e.net").f, 1.0)["mul"] == 1


def test_a_stale_source_is_not_run(project, tmp_path):
    f = project({"odd_f.py": "def f(x):\n    return x * 2\n"}, "odd_f").f
    assert called_in(f, 1.0) == {"mul": 1}
    (tmp_path / "odd_f.py").write_text("def f(x):\n    return x * 3000\n")
    with watching([f], Hook()):
        assert f(1.0) == 2.0, "the file has changed, the function has not"
    assert called_in(f, 1.0) == {}


def test_a_reloaded_source_is_run(project, tmp_path):
    module = project({"odd_g.py": "def f(x):\n    return x * 2\n"}, "odd_g")
    assert called_in(module.f, 1.0) == {"mul": 1}
    (tmp_path / "odd_g.py").write_text("def f(x):\n    return x + 3000\n")
    importlib.invalidate_caches()
    importlib.reload(module)
    assert called_in(module.f, 1.0) == {"add": 1}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_code_objects_are_restored_after_any_exception(error):
    functions = reach([odd.classes])
    before = [f.__code__ for f in functions]
    with pytest.raises(error), watching([odd.classes], Hook()):
        assert odd.classes.__code__ is not before[functions.index(odd.classes)]
        raise error
    assert [f.__code__ for f in functions] == before


def test_an_exception_of_the_watched_function_keeps_its_line():
    with watching([odd.factorial], Hook()), pytest.raises(TypeError) as caught:
        odd.factorial("a")
    line = odd.factorial.__code__.co_firstlineno + 1
    assert line in [entry.lineno + 1 for entry in caught.traceback]


def test_watching_nests_and_the_inner_hook_sees_alone():
    outer, inner, again = Census(), Census(), Census()
    with watching([odd.factorial], outer):
        with watching([odd.factorial], inner):
            odd.factorial(3)
        with watching([odd.power], again):
            odd.factorial(2)
            odd.power(2)
        odd.factorial(1)
    assert inner.called == {"factorial": 2, "sub": 2, "mul": 2}
    assert sum(outer.called.values()) == 0
    assert again.called["pow"] == 1
    assert odd.factorial(4) == 24


def test_the_outer_hook_sees_again_after_the_inner_has_gone():
    outer = Census()
    with watching([odd.factorial], outer):
        with watching([odd.factorial], Census()):
            odd.factorial(3)
        assert not outer.called
        odd.factorial(3)
    assert outer.called["mul"] == 2


def test_closures_and_generators_outlive_the_watch():
    census = Census()
    with watching([odd.make_counter, odd.generator], census):
        step = odd.make_counter()
        assert step(3) == 3
    seen = census.called["mul"]
    assert (seen, step(3)) == (1, 6)
    assert census.called["mul"] == seen, "a hook that has gone still sees"


def test_functions_without_source_run_unobserved():
    space = {}
    exec("def f(x):\n    return x * 2 + 1", space)
    assert called_in(space["f"], 4) == {}
    assert called_in(np.sin, 4) == {}
    assert called_in(abs, -4) == {}


def test_source_in_the_cache_of_lines_is_found():
    text = "def f(x):\n    return x * 2 + 1\n"
    linecache.cache["<a cell>"] = (len(text), None, text.splitlines(True), "<a cell>")
    space = {}
    exec(compile(text, "<a cell>", "exec"), space)
    assert called_in(space["f"], 4) == {"mul": 1, "add": 1}


def test_two_lambdas_on_one_line_are_told_apart():
    pair = [lambda z: z * 2, lambda z: z + 2]
    assert [called_in(f, 4) for f in pair] == [{"mul": 1}, {"add": 1}]


def test_a_hook_can_replace_what_it_sees():
    class Doubled(Hook):
        def assign(self, site, value):
            return 2 * value if site.target == "return" else value

    with watching([odd.power], Doubled()):
        assert odd.power(3) == 18
    assert odd.power(3) == 9


def test_an_augmented_target_is_evaluated_once():
    census = Census()
    with watching([odd.augmented], census):
        odd.augmented(*point())
    assert census.called["next"] == 4
    targets = [site.target for site, _ in census.assigned]
    assert "y[next(rows):next(rows) + 1]" in targets


def test_the_census_itself_would_notice_a_difference():
    """The comparison above is not satisfied by anything: one bit, a type or an order is seen."""
    a = np.array([1.0, 2.0])
    assert same(a, a.copy())
    for b in (np.nextafter(a, 3), a.astype(np.float32), a[None], [1.0, 2.0], np.array([1, 2])):
        assert not same(a, b)
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same(1.0, np.float64(1.0))


def test_all_subjects_parse_to_one_function_each():
    tree = ast.parse(Path(odd.__file__).read_text())
    names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert {f.__name__ for f in odd.SUBJECTS} <= names
    assert len(odd.SUBJECTS) == len(set(odd.SUBJECTS)) > 30
