"""One wrong derivative rule, as hypotheses from the simplest to the least likely."""

import numpy as np

from gradcheck.factors import Explanation
from gradcheck.paths import operand_paths, results
from gradcheck.probes import Probe
from gradcheck.products import blocks, choices, partners, turned
from gradcheck.samples import Sample
from gradcheck.slopes import other_slopes, plain_slopes

STAGES = (
    results,
    operand_paths,
    plain_slopes,
    choices,
    blocks,
    turned,
    other_slopes,
    partners,
)


def explain(samples: list[Sample]) -> list[Explanation]:
    """The hypotheses on one rule that explain all wrong gradients of all samples together.

    The simplest kind of hypothesis that does ends the search.
    """
    probes = [Probe(s) for s in samples]
    for s in samples:
        if any(g is None or g.shape != s.truths[n].shape for n, g in s.gradients.items()):
            return []
    for p in probes:
        if not np.any(p.hand) or np.max(np.abs(p.hand - p.true)) < 1e-4 * p.scale:
            return []
    with np.errstate(all="ignore"):
        for look in STAGES:
            found: list[Explanation] = []
            for n, p in enumerate(probes):
                here = [*look(p)] if not n or found else []
                keys = {(e.kind, e.key) for e in here}
                found = [e for e in found if (e.kind, e.key) in keys] if n else here
            if found:
                return found
    return []
