"""Is this gradient right, and if not, which line is wrong?

    report = gradcheck.check(f, f_backward, *arrays)

checks a hand-written backward against `jax.vjp` of a twin, where one is given, and against
differences of its own forward with a certified error. There is no tolerance to choose.
"""

from gradcheck.checks import assert_gradients as assert_gradients
from gradcheck.checks import check as check
from gradcheck.report import Argument as Argument
from gradcheck.report import Finding as Finding
from gradcheck.report import Report as Report
