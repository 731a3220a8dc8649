"""Of fixes that give the same gradients, the one is shown after which locals are gradients, too."""

from gradcheck import discovery
from gradcheck.meant import Slopes
from tests.test_repair import HEAD, mended

CENTRED = """
def centred(x, w):
    mu = x.mean(axis=0)
    xc = x - mu
    h = xc * w
    y = np.tanh(h)
    return y, (xc, w, y)


def centred_backward(dy, cache):
    xc, w, y = cache
    dh = {dh}
    dw = (dh * xc).sum(axis=0)
    dxc = {dxc}
    dmu = -dxc.sum(axis=0)
    dx = {dx}
    return {out}


CASES = {{"centred": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4))}}
"""
RIGHT = {"dh": "dy * (1 - y**2)", "dx": "dxc + dmu / len(dxc)", "dxc": "dh * w"}
RIGHT["out"] = "dx, dw"
MEAN = """
def error(x):
    return ((x - 1) ** 2).mean(), x


def error_backward(dloss, x):
    dx = {}
    return dloss * dx


CASES = {{"error": lambda rng: (rng.normal(size=5),)}}
"""


def centred(**wrong):
    return HEAD + CENTRED.format(**RIGHT | wrong).lstrip()


def line_of(text, start):
    return 1 + next(k for k, line in enumerate(text.splitlines()) if line.strip().startswith(start))


def meaning(tmp_path, text):
    """The names of what is assigned in lines that are right, wrong and named; those misnamed."""
    file = tmp_path / "pair_with_a_meaning.py"
    file.write_text(text)
    (check,) = discovery.resolve(str(file))
    subject = next(iter(check.subjects(0, False)))
    found = Slopes(subject, 0).meaning(subject)
    lines = [line.strip().split(" = ")[0] for line in text.splitlines()]
    sets = (found.right, found.wrong, found.named)
    return *({lines[k - 1] for _, k in places} for places in sets), set(found.misnamed)


def test_results_that_are_gradients(tmp_path):
    every = {"dh", "dw", "dxc", "dmu", "dx"}
    assert meaning(tmp_path, centred()) == (every, set(), every, set())
    # what is twice a gradient is none; what comes after it neither
    found = meaning(tmp_path, centred(dx="2 * (dxc + dmu / len(dxc))"))
    assert found == (every - {"dx"}, {"dx"}, every - {"dx"}, {"dx"})
    found = meaning(tmp_path, centred(dh="dy * (1 - y**2) / 2"))
    assert found == (set(), every, set(), every)


def test_a_copy_of_dy_is_no_gradient_that_was_computed(tmp_path):
    right, wrong, *_ = meaning(tmp_path, centred(dh="dy"))
    assert right == set() and wrong == {"dw", "dxc", "dmu", "dx"}


def test_a_gradient_yet_to_be_multiplied_by_dy(tmp_path):
    text = HEAD + MEAN.format("2 * (x - 1) / len(x)").lstrip()
    assert meaning(tmp_path, text) == ({"dx"}, set(), {"dx"}, set())


def test_what_was_right_stays_so(tmp_path):
    # the mean in the place of the sum fits too, and dmu is then no gradient any more
    text = centred(dx="dxc + dmu")
    lines = [line_of(text, start) for start in ("dmu =", "dx =")]
    _, found = mended(tmp_path, text, "centred", lines=lines)
    assert found.edits[0].line == lines[1]
    assert lines[0] in {e.line for (e,) in found.alternatives}


def test_what_is_assigned_rather_than_what_is_returned(tmp_path):
    text = centred(dx="-(dxc + dmu / len(dxc))")
    _, found = mended(tmp_path, text, "centred", lines=[line_of(text, "return dx")])
    assert found.edits[0].line == line_of(text, "dx =")


def test_the_line_after_which_more_are_gradients(tmp_path):
    text = centred(dxc="dh")
    lines = [line_of(text, start) for start in ("dxc =", "dx =")]
    _, found = mended(tmp_path, text, "centred", lines=lines)
    assert found.edits[0].line == lines[0]


def test_the_gradient_that_its_name_says(tmp_path):
    text = HEAD + MEAN.format("2 * (x - 1)").lstrip()
    _, found = mended(tmp_path, text, "error")
    assert found.edits[0].line == line_of(text, "dx =")
