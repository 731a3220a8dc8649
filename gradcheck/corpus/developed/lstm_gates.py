"""LSTM cell in the "separate matrix for each gate, concatenated input" writing, column vectors,
examples along axis 1 (the layout of a popular online course)."""
import numpy as np


def _sig(x):
    return 1 / (1 + np.exp(-x))


def cell(xt, a_prev, c_prev, Wf, bf, Wi, bi, Wc, bc, Wo, bo):
    concat = np.concatenate((a_prev, xt), axis=0)

    ft = _sig(np.dot(Wf, concat) + bf)
    it = _sig(np.dot(Wi, concat) + bi)
    cct = np.tanh(np.dot(Wc, concat) + bc)
    c_next = ft * c_prev + it * cct
    ot = _sig(np.dot(Wo, concat) + bo)
    a_next = ot * np.tanh(c_next)

    cache = {"concat": concat, "c_prev": c_prev, "c_next": c_next, "n_a": a_prev.shape[0],
             "ft": ft, "it": it, "cct": cct, "ot": ot,
             "Wf": Wf, "Wi": Wi, "Wc": Wc, "Wo": Wo}
    return (a_next, c_next), cache


def cell_backward(grads, cache):
    da_next, dc_next = grads
    ft, it, cct, ot = cache["ft"], cache["it"], cache["cct"], cache["ot"]
    c_prev, c_next, concat, n_a = cache["c_prev"], cache["c_next"], cache["concat"], cache["n_a"]

    # total derivative at the cell state
    dc = dc_next + da_next * ot * (1 - np.square(np.tanh(c_next)))

    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = dc * it * (1 - np.square(cct))
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    dWf = np.dot(dft, concat.T)
    dWi = np.dot(dit, concat.T)
    dWc = np.dot(dcct, concat.T)
    dWo = np.dot(dot, concat.T)
    dbf = np.sum(dft, axis=1, keepdims=True)
    dbi = np.sum(dit, axis=1, keepdims=True)
    dbc = np.sum(dcct, axis=1, keepdims=True)
    dbo = np.sum(dot, axis=1, keepdims=True)

    dconcat = (np.dot(cache["Wf"].T, dft) + np.dot(cache["Wi"].T, dit)
               + np.dot(cache["Wc"].T, dcct) + np.dot(cache["Wo"].T, dot))
    da_prev = dconcat[:n_a, :]
    dxt = dconcat[n_a:, :]
    dc_prev = dc * ft

    return dxt, da_prev, dc_prev, dWf, dbf, dWi, dbi, dWc, dbc, dWo, dbo


def _case(n_x, n_a, m):
    def make(r):
        n = r.standard_normal
        args = [n((n_x, m)), n((n_a, m)), n((n_a, m))]
        for _ in range(4):
            args += [0.5 * n((n_a, n_a + n_x)), n((n_a, 1))]
        return tuple(args)
    return make


CASES = {"cell": [_case(3, 4, 2), _case(2, 3, 5)]}
