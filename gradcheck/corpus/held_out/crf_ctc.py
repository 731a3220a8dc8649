"""Sequence likelihoods by forward algorithms in log space.

Everything here is one sequence at a time: the batching is done by the caller.
"""
import numpy as np


def lse(a, axis=None):
    m = a.max(axis=axis, keepdims=True)
    r = m + np.log(np.exp(a - m).sum(axis=axis, keepdims=True))
    return r.squeeze(axis) if axis is not None else float(r.squeeze())


def crf_nll(emit, trans, start, end, tags):
    """Negative log likelihood of a linear chain. emit (T, K), trans[i, j] from i to j, tags (T,) ints."""
    T, K = emit.shape
    alpha = np.zeros((T, K))
    alpha[0] = start + emit[0]
    for t in range(1, T):
        alpha[t] = lse(alpha[t - 1][:, None] + trans, axis=0) + emit[t]
    logZ = lse(alpha[-1] + end)
    gold = start[tags[0]] + end[tags[-1]] + emit[np.arange(T), tags].sum() + trans[tags[:-1], tags[1:]].sum()
    return logZ - gold, (emit, trans, start, end, tags, alpha, logZ)


def crf_nll_backward(dloss, cache):
    emit, trans, start, end, tags, alpha, logZ = cache
    T, K = emit.shape
    beta = np.zeros((T, K))
    beta[-1] = end
    for t in range(T - 2, -1, -1):
        beta[t] = lse(trans + (emit[t + 1] + beta[t + 1])[None, :], axis=1)
    node = np.exp(alpha + beta - logZ)
    demit = node.copy()
    demit[np.arange(T), tags] -= 1
    dtrans = np.zeros_like(trans)
    for t in range(1, T):
        pair = alpha[t - 1][:, None] + trans + (emit[t] + beta[t])[None, :]
        dtrans += np.exp(pair - logZ)
        dtrans[tags[t - 1], tags[t]] -= 1
    dstart = node[0].copy()
    dstart[tags[0]] -= 1
    dend = node[-1].copy()
    dend[tags[-1]] -= 1
    return dloss * demit, dloss * dtrans, dloss * dstart, dloss * dend


def hmm_loglik(log_init, log_A, log_obs):
    """log sum over paths, by back-propagation through the recursion (no beta pass)."""
    a = log_init + log_obs[0]
    trace = [a]
    for t in range(1, len(log_obs)):
        a = lse(a[:, None] + log_A, axis=0) + log_obs[t]
        trace.append(a)
    total = lse(a)
    return total, (trace, log_A, log_obs, total)


def hmm_loglik_backward(dtotal, cache):
    trace, log_A, log_obs, total = cache
    dobs = np.zeros_like(log_obs)
    dA = np.zeros_like(log_A)
    da = dtotal * np.exp(trace[-1] - total)
    for t in range(len(trace) - 1, 0, -1):
        dobs[t] = da
        # responsibility of state i at t-1 for state j at t
        w = np.exp(trace[t - 1][:, None] + log_A + log_obs[t] - trace[t])
        flow = w * da
        dA += flow
        da = flow.sum(axis=1)
    dobs[0] = da
    return da, dA, dobs


def ctc_like(logp, label):
    """-log p(label) over monotone alignments without blanks: at each frame stay or advance.

    logp (T, V) any scores, label (L,) ints, T >= L."""
    T, L = len(logp), len(label)
    A = np.full((T, L), -np.inf)
    A[0, 0] = logp[0, label[0]]
    for t in range(1, T):
        for l in range(L):
            come = A[t - 1, l] if l == 0 else np.logaddexp(A[t - 1, l], A[t - 1, l - 1])
            A[t, l] = come + logp[t, label[l]]
    return -A[-1, -1], (logp, label, A)


def ctc_like_backward(dl, cache):
    logp, label, A = cache
    T, L = A.shape
    dA = np.zeros_like(A)
    dA[-1, -1] = -dl
    dlogp = np.zeros_like(logp)
    for t in range(T - 1, -1, -1):
        for l in range(L - 1, -1, -1):
            g = dA[t, l]
            dlogp[t, label[l]] += g
            if t == 0 or np.isneginf(A[t, l]):
                continue
            come = A[t, l] - logp[t, label[l]]
            dA[t - 1, l] += g * np.exp(A[t - 1, l] - come)
            if l > 0:
                dA[t - 1, l - 1] += g * np.exp(A[t - 1, l - 1] - come)
    return dlogp


CASES = {
    "crf_nll": lambda rng: (rng.standard_normal((5, 3)), rng.standard_normal((3, 3)), rng.standard_normal(3),
                            rng.standard_normal(3), rng.integers(0, 3, 5)),
    "hmm_loglik": lambda rng: (rng.standard_normal(4), rng.standard_normal((4, 4)), rng.standard_normal((6, 4))),
    "ctc_like": lambda rng: (rng.standard_normal((6, 4)), np.array([2, 0, 2])),
}
