"""Under which configuration a finding appears, and under which it does not."""

from dataclasses import replace
from typing import Any

from gradcheck.configurations import VALUES
from gradcheck.report import Finding, Report

# sizes of windows, and the axis that each goes along
WINDOWS = {"pool_height": "H", "pool_width": "W", "HH": "H", "WW": "W", "KH": "H", "KW": "W"}
WINDOWS |= dict.fromkeys(("size", "pool_size", "window", "kernel", "kernel_size"), "")
# where several tell failing from passing, the first is told
FIRST = ("mode", "train", "training", "windows", "the stride", "padding", "pad", "stride")
NO_FAULTS = ("kink-convention", "vacuous")


def told(report: Report, cases: list[Report]) -> Report:
    """The report of several cases; each finding says what tells those that show it from others."""
    return replace(report, findings=tuple(_told(f, cases) for f in report.findings))


def _told(finding: Finding, cases: list[Report]) -> Finding:
    if finding.kind in NO_FAULTS:
        return finding

    def shows(r: Report) -> bool:
        alike = (f for f in r.findings if f.argument == finding.argument)
        return any(f.kind not in NO_FAULTS for f in alike)

    wrong = [facts(r.case) for r in cases if shows(r)]
    right = [facts(r.case) for r in cases if not shows(r) and r.verdict in ("pass", "kink")]
    right = [case for case in right if case not in wrong]  # too small to show it
    sentence = contrast(wrong, right)
    return replace(finding, why=(sentence, *finding.why)) if sentence else finding


def contrast(wrong: list[dict[str, Any]], right: list[dict[str, Any]]) -> str:
    """What tells the cases that are wrong from those that are right, if one value does.

    >>> contrast([{"pad": 0, "stride": 1}], [{"pad": 1, "stride": 1}, {"pad": 2, "stride": 1}])
    'wrong at pad=0, right at pad=1 and 2'
    >>> contrast([{"windows": "overlap"}], [{"windows": "do not overlap"}])
    'wrong where windows overlap, right where windows do not overlap'
    >>> contrast([{"x": "tied"}], [{}]), contrast([{"eps": 1.0}], [{"eps": 1.0}])
    ('wrong at x=tied, right elsewhere', '')
    """
    if not wrong or not right:
        return ""
    keys = dict.fromkeys(k for case in (*wrong, *right) for k in case)
    for key in sorted(keys, key=lambda k: FIRST.index(k) if k in FIRST else len(FIRST)):
        bad, good = ([case.get(key) for case in cases] for cases in (wrong, right))
        if not any(v in good for v in bad):
            return f"wrong {_at(key, bad)}, right {_at(key, good)}"
    return ""


def _at(key: str, values: list[Any]) -> str:
    if any(v is None for v in values):
        return "elsewhere"
    distinct = sorted(dict.fromkeys(values), key=lambda v: (isinstance(v, str), v))
    if key in ("windows", "the stride"):
        return f"where {key} {distinct[0]}"
    several = " and ".join([", ".join(map(str, distinct[:-1])), str(distinct[-1])])
    return f"at {key}={several if len(distinct) > 1 else distinct[0]}"


def facts(case: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a case, and what it means for windows.

    >>> facts({"axes": {"W": 5, "WW": 3}, "config": {"stride": 2}})
    {'stride': 2, 'windows': 'overlap', 'the stride': 'divides'}
    """
    config, axes = case.get("config", {}), case.get("axes", {})
    options = {k: v for k, v in axes.items() if k in VALUES or isinstance(v, (bool, float, str))}
    config = {**options, **config}  # those of a constructor stand among the axes
    found = {k: v for k, v in config.items() if isinstance(v, (int, float, str, bool))}
    stride, pad = config.get("stride"), config.get("padding", config.get("pad", 0))
    known = {
        k: (v, a) for k, a in WINDOWS.items() if isinstance(v := {**axes, **config}.get(k), int)
    }
    if not isinstance(stride, int) or not known:
        return found
    overlap = any(stride < n for n, _ in known.values())
    found["windows"] = "overlap" if overlap else "do not overlap"
    if isinstance(pad, int) and all(a in axes for _, a in known.values()):
        left = any((axes[a] + 2 * pad - n) % stride for n, a in known.values())
        found["the stride"] = "does not divide" if left else "divides"
    return found
