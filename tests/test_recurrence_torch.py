"""rnn, gru and lstm against torch.nn: values and every gradient, in float64.

PyTorch keeps a gate's weights in rows, (4 H, D), and two biases everywhere; the gate orders are
ours, and its GRU applies the reset gate after the recurrent product.
"""

import numpy as np
import pytest

import scratchnn as nn

torch = pytest.importorskip("torch")

T, N, D, H = 7, 3, 2, 5
KINDS = {
    "rnn": (nn.rnn, nn.rnn_backward, torch.nn.RNN, 1),
    "gru": (nn.gru, nn.gru_backward, torch.nn.GRU, 3),
    "lstm": (nn.lstm, nn.lstm_backward, torch.nn.LSTM, 4),
}


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_against_torch(name, padded):
    f, f_backward, module, gates = KINDS[name]
    rng = np.random.default_rng(0)
    states = [rng.standard_normal((N, H)) for _ in range(2 if name == "lstm" else 1)]
    x, dy = rng.standard_normal((T, N, D)), rng.standard_normal((T, N, H))
    dlast = [rng.standard_normal((N, H)) for _ in states]
    shapes = {"w_x": (D, gates * H), "w_h": (H, gates * H), "b_x": gates * H, "b_h": gates * H}
    w = {k: rng.standard_normal(shape) for k, shape in shapes.items()}
    lengths = [T, 4, 1] if padded else [T] * N
    mask = np.arange(T)[:, None] < np.array(lengths)
    biases = (w["b_x"], w["b_h"]) if name == "gru" else (w["b_x"] + w["b_h"],)
    absent = (None,) if name == "lstm" else ()  # peepholes
    (y, *last), cache = f(x, *states, w["w_x"], w["w_h"], *biases, *absent, mask)
    grads = f_backward((dy, *dlast), cache)

    theirs = module(D, H).double()
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.tensor(w["w_x"].T))
        theirs.weight_hh_l0.copy_(torch.tensor(w["w_h"].T))
        theirs.bias_ih_l0.copy_(torch.tensor(w["b_x"]))
        theirs.bias_hh_l0.copy_(torch.tensor(w["b_h"]))
    tx, *ts = (torch.tensor(a, requires_grad=True) for a in (x, *states))
    packed = torch.nn.utils.rnn.pack_padded_sequence(tx, lengths)
    start = tuple(s[None] for s in ts) if name == "lstm" else ts[0][None]
    ty, tlast = theirs(packed, start)
    ty, _ = torch.nn.utils.rnn.pad_packed_sequence(ty)
    tlast = tlast if name == "lstm" else (tlast,)
    outputs = (ty, *(s[0] for s in tlast))
    sum((a * torch.tensor(b)).sum() for a, b in zip(outputs, (dy, *dlast), strict=True)).backward()

    own = [y, *last, *grads[: 4 + len(states)]]
    want = [*outputs, tx.grad, *(s.grad for s in ts)]
    want += [theirs.weight_ih_l0.grad.T, theirs.weight_hh_l0.grad.T, theirs.bias_ih_l0.grad]
    if name == "gru":
        own.append(grads[5])
        want.append(theirs.bias_hh_l0.grad)
    for a, b in zip(own, want, strict=True):
        b = b.detach().numpy()
        # sums of up to T N H terms, carried over T steps
        assert np.max(np.abs(a - b)) <= 1e-13 * np.max(np.abs(b))
