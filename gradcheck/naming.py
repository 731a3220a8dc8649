"""What a wrong gradient looks like beside the right one."""

import numpy as np

Array = np.ndarray


def describe(name: str, g: Array, G: Array, tolerance: float) -> tuple[str, str]:
    """(kind, message) for a wrong gradient g of argument `name` and the right one G.

    A kind is spoken only when it explains every entry to `tolerance`; else it is "unnamed".

    >>> describe("w", np.array([-1.0, -2.0]), np.array([1.0, 2.0]), 1e-9)
    ('sign', 'dw has the wrong sign: it is -1 times the right gradient at all 2 entries')
    """
    scale = float(np.max(np.abs(G)))
    if np.count_nonzero(np.abs(G) > tolerance * scale) > 1:
        ratio = float(np.sum(g * G) / np.sum(G * G))
        if ratio and np.max(np.abs(g - ratio * G)) <= tolerance * scale * max(abs(ratio), 1):
            entries = f"times the right gradient at all {G.size} entries"
            if abs(ratio + 1) <= tolerance:
                return "sign", f"d{name} has the wrong sign: it is -1 {entries}"
            return "constant-factor", f"d{name} is {_number(ratio)} {entries}"
    square = G.ndim == 2 and G.shape[0] == G.shape[1]
    if square and np.max(np.abs(g.T - G)) <= tolerance * scale:
        return "transposed", f"d{name} is the transpose of the right gradient"
    wrong = np.abs(g - G) > tolerance * scale
    at = np.unravel_index(np.argmax(np.abs(g - G)), G.shape)
    where = f"[{', '.join(map(str, at))}]" if at else ""
    return "unnamed", (
        f"d{name} is wrong at {np.count_nonzero(wrong)} of {G.size} entries, most at "
        f"d{name}{where}: got {g[at]:.6g}, wanted {G[at]:.6g}"
    )


def _number(ratio: float) -> str:
    if abs(1 / ratio - round(1 / ratio)) < 1e-6 and abs(ratio) < 1:
        return f"1/{round(1 / ratio)}"
    return f"{ratio:.6g}"
