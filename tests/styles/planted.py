"""Defects of published course code, planted in the style files by replacing text.

Each is (file, check, text, replacement, acceptable kinds); `where` marks the nth occurrence.
"""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ACCUMULATION = {"overwrites-instead-of-accumulates"}
FACTOR = {"constant-factor", "mean-vs-sum"}
MISSING = {"missing-term"}


@dataclass(frozen=True)
class Planted:
    """A defect: the check it must fail, the text that it replaces, the kinds that name it."""

    file: str
    check: str
    before: str
    after: str
    kinds: frozenset[str]
    elsewhere: tuple[int, ...] = ()  # lines at which an edit mends it as well

    def text(self) -> str:
        text = (HERE / self.file).read_text()
        assert text.count(self.before) == 1, (self.before, text.count(self.before))
        return text.replace(self.before, self.after)

    def lines(self) -> set[int]:
        """The lines of the planted file that differ, and where some are missing the next one."""
        old, new = (HERE / self.file).read_text().splitlines(), self.text().splitlines()
        first = next(k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
        tail = next(k for k, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b)
        return set(range(first + 1, max(len(new) - tail, first + 1) + 1))


def _of(file: str, *planted: tuple) -> tuple[Planted, ...]:
    return tuple(Planted(file, c, b, a, frozenset(k), *more) for c, b, a, k, *more in planted)


LAYERS = _of(
    "layers.py",
    ("affine", "dout.dot(w.T).reshape(x.shape)", "dout.dot(w.T)", {"shape"}),
    ("affine", "dw = x.reshape(N, -1).T.dot(dout)", "dw = x.reshape(N, -1).T.dot(dout) / N", FACTOR),
    ("affine", "db = np.sum(dout, axis=0)\n    return dx, dw", "db = np.mean(dout, axis=0)\n    return dx, dw", FACTOR),
    ("relu", "dx = dout * (x > 0)", "dx = dout\n    dx[x <= 0] = 0", {"mutates"}),
    ("relu", "dx = dout * (x > 0)", "dx = dout * (dout > 0)", {"wrong-operand", "mask", "unnamed"}),
    ("relu", "dx = dout * (x > 0)", "dx = (x > 0) * 1.0", {"ignores-upstream"}),
    ("batchnorm", "cache = (x, x_hat, mean, std, gamma)", "cache = (x, x_hat, mean, np.sqrt(var), gamma)",
     {"forward-backward-variant-mismatch", "missing-term", "wrong-operand"}, (109,)),
    ("batchnorm", "cache = (x, x_hat, mean, std, gamma)", "cache = (x, x_hat, mean, np.sqrt(var) + eps, gamma)",
     {"forward-backward-variant-mismatch", "missing-term", "wrong-operand"}, (109,)),
    ("batchnorm", "dx_hat = dout * gamma\n    dstd", "dx_hat = dout\n    dstd", MISSING | {"constant-factor"},
     (126,)),
    ("batchnorm", "dvar = 0.5 * dstd / std", "dvar = dstd / std", FACTOR | MISSING | {"extra-term"}),
    ("batchnorm", "dx = dx1 + dx2", "dx = dx1", MISSING),
    ("batchnorm_alt", "N = dout.shape[0]\n    dbeta", "N = dout.shape[1]\n    dbeta",
     FACTOR | {"wrong-axis", "wrong-operand"}),
    ("batchnorm_alt", "(N * dout - dbeta - x_hat * dgamma)", "(N * dout - dbeta)", MISSING),
    ("batchnorm_alt", "gamma / (N * std) *", "1 / (N * std) *", MISSING | {"constant-factor"}),
    ("layernorm", "s1 = np.sum(dx_hat, axis=1, keepdims=True)", "s1 = np.sum(dx_hat, axis=0, keepdims=True)",
     {"wrong-axis"}),
    ("layernorm", "D = x_hat.shape[1]", "D = x_hat.shape[0]", FACTOR | {"wrong-axis", "wrong-operand"}),
    ("layernorm", "dx_hat = dout * gamma\n    s1 = np.sum(dx_hat, axis=1, keepdims=True)",
     "dx_hat = dout\n    s1 = gamma * np.sum(dx_hat, axis=1, keepdims=True)",
     MISSING | {"activation-derivative-misplaced", "unnamed"}),
    ("dropout", "dx = dout * mask", "dx = dout", {"mask", "missing-term"}),
    ("dropout", "dx = dout * mask", "dx = dout * (mask > 0)", {"scale-by-keep-probability"}),
    ("dropout", 'mode == "test":\n        dx = dout\n', 'mode == "test":\n        dx = dout * dropout_param["p"]\n',
     {"scale-by-keep-probability", "extra-term", "constant-factor"}),
    ("conv_naive", "dx_pad[:, :, pad : pad + H, pad : pad + W]", "dx_pad[:, :, pad:-pad, pad:-pad]", {"shape", "misaligned"}),
    ("conv_naive", "ws : ws + WW] += w[f] * dout", "ws : ws + WW] = w[f] * dout", ACCUMULATION),
    ("conv_naive", "dw[f] += window", "dw[f] = window", ACCUMULATION),
    ("conv_naive", "hs, ws = i * stride, j * stride\n                    window = x_pad[n, :, hs : hs + HH, ws : ws + WW]\n                    dw",
     "hs, ws = i, j\n                    window = x_pad[n, :, hs : hs + HH, ws : ws + WW]\n                    dw",
     {"misaligned", "wrong-operand", "constant-factor", "missing-term"}),
    ("conv_naive", "db[f] += dout[n, f].sum()", "db[f] = dout[n, f].sum()", ACCUMULATION),
    ("conv_naive", "+= w[f] * dout[n, f, i, j]", "+= w[f][:, ::-1, ::-1] * dout[n, f, i, j]", {"flipped-kernel"}),
    ("max_pool_naive", "hs + row, ws + col] += dout", "hs + row, ws + col] = dout", ACCUMULATION),
    ("max_pool_naive",
     "row, col = np.unravel_index(np.argmax(window), window.shape)\n                    dx[n, c, hs + row, ws + col] += dout[n, c, i, j]",
     "mask = window == np.max(window)\n                    dx[n, c, hs : hs + ph, ws : ws + pw] += mask * dout[n, c, i, j]",
     {"mask", "unnamed"}),
    ("max_pool_naive", "hs + row, ws + col] += dout", "hs + col, ws + row] += dout",
     {"raises", "misaligned", "wrong-axis", "transposed"}),
    ("spatial_batchnorm", "rows = dout.transpose(0, 2, 3, 1).reshape(-1, C)", "rows = dout.reshape(-1, C)",
     {"misaligned", "wrong-axis", "transposed"}),
    ("spatial_groupnorm", "mean_1 = dx_hat.mean(axis=1, keepdims=True)", "mean_1 = dx_hat.mean(axis=0, keepdims=True)",
     {"wrong-axis"}),
    ("spatial_groupnorm", "(dout * gamma).reshape(N * G, -1)", "dout.reshape(N * G, -1)", MISSING | {"constant-factor"}),
    ("spatial_groupnorm", "dgamma = np.sum(dout * x_hat, axis=(0, 2, 3), keepdims=True)",
     "dgamma = np.mean(dout * x_hat, axis=(0, 2, 3), keepdims=True)", FACTOR),
    ("svm_loss", "dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)", "dx[np.arange(N), y] -= 1",
     MISSING | {"unnamed", "wrong-operand", "constant-factor"}),
    ("svm_loss", "axis=1)\n    dx /= N", "axis=1)\n    dx /= 1", FACTOR),
    ("softmax_loss", "shifted = x - np.max(x, axis=1, keepdims=True)", "shifted = x", {"non-finite", "precision"}, (444,)),
    ("softmax_loss", "-= 1\n    dx /= N", "-= 1\n    dx /= 1", FACTOR, (450,)),
    ("softmax_loss", "dx[np.arange(N), y] -= 1\n", "dx[np.arange(N), y] -= 0\n", MISSING),
)
RNN_LAYERS = _of(
    "rnn_layers.py",
    ("rnn_step", "da = dnext_h * (1 - next_h**2)", "da = dnext_h * (1 - next_h)",
     {"activation-derivative-misplaced", "activation-derivative-missing", "missing-term"}),
    ("rnn_step", "da = dnext_h * (1 - next_h**2)", "da = dnext_h", {"activation-derivative-missing"}),
    ("rnn_step", "dprev_h = da.dot(Wh.T)\n    dWx = x.T.dot(da)\n    dWh = prev_h.T.dot(da)\n    db = da", "dprev_h = da.dot(Wh)\n    dWx = x.T.dot(da)\n    dWh = prev_h.T.dot(da)\n    db = da", {"transposed"}),
    ("rnn", "dnext_h = dh[:, t, :] + dprev_h", "dnext_h = dh[:, t, :]", {"missing-recurrent-term"}),
    ("rnn", "dWx += dWx_t\n        dWh += dWh_t\n        db += db_t\n    dh0", "dWx = dWx_t\n        dWh += dWh_t\n        db += db_t\n    dh0",
     ACCUMULATION | {"missing-recurrent-term"}),
    ("rnn", "rnn_step_backward(dnext_h, cache[t])", "rnn_step_backward(dnext_h, cache[t - 1])", {"time-shift"}),
    ("word_embedding", "np.add.at(dW, x, dout)", "dW[x] += dout", ACCUMULATION),
    ("word_embedding", "np.add.at(dW, x, dout)", "dW[x] = dout", ACCUMULATION),
    ("lstm_step", "dc = dnext_c + dnext_h * o * (1 - tanh_c**2)", "dnext_c += dnext_h * o * (1 - tanh_c**2)\n    dc = dnext_c",
     {"mutates"}),
    ("lstm_step", "dc = dnext_c + dnext_h", "dc = dnext_h", MISSING | {"missing-recurrent-term"}),
    ("lstm_step", "df * f * (1 - f)", "df", {"activation-derivative-missing"}),
    ("lstm_step", "df * f * (1 - f)", "df * f", {"activation-derivative-missing", "activation-derivative-misplaced"} | MISSING),
    ("lstm_step", "(di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2))",
     "(di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o))", {"gate-order"}),
    ("lstm_step", "dprev_c = dc * f", "dprev_c = dc * i", {"wrong-operand", "gate-order"}),
    ("lstm", "dh[:, t, :] + dprev_h, dprev_c, cache[t]", "dh[:, t, :] + dprev_h, np.zeros((N, H)), cache[t]",
     MISSING | {"missing-recurrent-term"}),
    ("temporal_affine", "db = dout.sum(axis=(0, 1))", "db = dout.sum(axis=0)", {"shape", "unreduced-broadcast", "wrong-axis"}),
    ("temporal_affine", "db = dout.sum(axis=(0, 1))", "db = dout.mean(axis=(0, 1))", FACTOR),
    ("temporal_softmax_loss", "dscores *= counts[:, None]", "dscores *= 1", {"mask"}),
    ("temporal_softmax_loss", "dscores /= N\n", "dscores /= N * T\n", FACTOR),
    ("temporal_softmax_loss", "np.exp(scores - np.max(scores, axis=1, keepdims=True))", "np.exp(scores)",
     {"non-finite", "precision"}),
)
NNFS = _of(
    "nnfs_layers.py",
    ("Loss_MeanAbsoluteError", "np.sign(dvalues - y_true)", "np.sign(y_true - dvalues)", {"sign"}),
    ("Layer_Dense", "self.dbiases = np.sum(dvalues, axis=0, keepdims=True)", "self.dbiases = np.sum(dvalues, axis=0)",
     {"shape"}),
    ("Layer_Dense", "self.dbiases = np.sum(dvalues, axis=0, keepdims=True)",
     "self.dbiases = np.mean(dvalues, axis=0, keepdims=True)", FACTOR),
    ("Layer_Dense", "np.dot(dvalues, self.weights.T)", "np.dot(dvalues, self.dweights.T)", {"wrong-operand"}),
    ("Layer_Dropout", "dvalues * self.binary_mask", "dvalues", {"mask", "missing-term"}),
    ("Layer_Dropout", "dvalues * self.binary_mask", "dvalues * (self.binary_mask > 0)", {"scale-by-keep-probability"}),
    ("Activation_ReLU", "self.dinputs = dvalues.copy()\n        self.dinputs[self.inputs",
     "self.dinputs = dvalues\n        self.dinputs[self.inputs", {"mutates"}),
    ("Activation_Softmax", "np.diagflat(single_output) - np.dot(single_output, single_output.T)",
     "np.diagflat(single_output * (1 - single_output))", {"softmax-diagonal-only"}),
    ("Activation_Softmax", "inputs - np.max(inputs, axis=1, keepdims=True)", "inputs", {"non-finite", "precision"}),
    ("Activation_Sigmoid", "dvalues * (1 - self.output) * self.output", "dvalues * (1 - self.output)",
     {"missing-term", "activation-derivative-missing", "activation-derivative-misplaced"}),
    ("Activation_Sigmoid", "dvalues * (1 - self.output) * self.output", "dvalues * (1 - self.inputs) * self.inputs",
     {"activation-derivative-misplaced", "wrong-operand"}),
    ("Loss_MeanSquaredError", "-2 * (y_true - dvalues) / outputs", "-2 * (y_true - dvalues)", FACTOR),
    ("Loss_CategoricalCrossentropy", "self.dinputs = -y_true / dvalues", "self.dinputs = y_true / dvalues", {"sign"}),
    ("Activation_Softmax_Loss_CategoricalCrossentropy", "-= 1\n        self.dinputs = self.dinputs / samples",
     "-= 1\n        self.dinputs = self.dinputs", FACTOR),
    ("Loss_BinaryCrossentropy", "(1 - y_true) / (1 - clipped)) / outputs", "(1 - y_true) / clipped) / outputs",
     {"wrong-operand", "unnamed", "missing-term"}),
)
NETS = _of(
    "fc_net.py",
    ("TwoLayerNet.loss", "flat.T.dot(dh) + self.reg * W1", "flat.T.dot(dh)", MISSING),
    ("TwoLayerNet.loss", "flat.T.dot(dh) + self.reg * W1", "flat.T.dot(dh) + 2 * self.reg * W1",
     MISSING | {"constant-factor", "extra-term"}),
    ("TwoLayerNet.loss", "d.dot(W2.T) * (h > 0)", "d.dot(W2.T)", {"activation-derivative-missing", "mask"}),
    ("TwoLayerNet.loss", "-= 1\n        d /= N\n", "-= 1\n", FACTOR | {"unnamed"}),
    ("FullyConnectedNet.loss", "d.dot(W.T) * (hs[i-1] > 0)", "d.dot(W.T)", {"activation-derivative-missing", "mask"}),
)
PLANTED = LAYERS + RNN_LAYERS + NNFS + NETS
