"""Character-level language model: a vanilla recurrent net over time, tokens in, logits out.

tokens (T, B) integers, h0 (B, H), E (V, D); the logits are (T, B, V).
"""
import numpy as np


def char_rnn(tokens, h0, E, Wxh, Whh, bh, Why, by):
    xs, hs, ps = {}, {}, {}
    hs[-1] = np.copy(h0)
    # forward pass
    for t in range(len(tokens)):
        xs[t] = E[tokens[t]]
        hs[t] = np.tanh(np.dot(xs[t], Wxh) + np.dot(hs[t - 1], Whh) + bh)  # hidden state
        ps[t] = np.dot(hs[t], Why) + by  # unnormalized log probabilities for next chars
    return np.stack([ps[t] for t in range(len(tokens))]), (tokens, xs, hs, E, Wxh, Whh, Why)


def char_rnn_backward(dlogits, cache):
    tokens, xs, hs, E, Wxh, Whh, Why = cache
    # backward pass: compute gradients going backwards
    dE, dWxh, dWhh, dWhy = np.zeros_like(E), np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros(Whh.shape[0]), np.zeros(Why.shape[1])
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(tokens))):
        dy = dlogits[t]
        dWhy += np.dot(hs[t].T, dy)
        dby += dy.sum(0)
        dh = np.dot(dy, Why.T) + dhnext  # backprop into h
        dhraw = (1 - hs[t] * hs[t]) * dh  # backprop through tanh nonlinearity
        dbh += dhraw.sum(0)
        dWxh += np.dot(xs[t].T, dhraw)
        dWhh += np.dot(hs[t - 1].T, dhraw)
        np.add.at(dE, tokens[t], np.dot(dhraw, Wxh.T))
        dhnext = np.dot(dhraw, Whh.T)
    return None, dhnext, dE, dWxh, dWhh, dbh, dWhy, dby


def _draw(rng):
    T, B, V, D, H = 4, *rng.permutation([6, 3, 5, 2])
    tokens = rng.integers(0, V, (T, B))
    tokens[:, 1] = tokens[:, 0]  # a text repeats itself
    return (
        tokens,
        rng.normal(size=(B, H)),
        rng.normal(size=(V, D)),
        rng.normal(size=(D, H)) * 0.7,
        rng.normal(size=(H, H)) * 0.7,
        rng.normal(size=H) * 0.3,
        rng.normal(size=(H, V)),
        rng.normal(size=V),
    )


CASES = {"char_rnn": _draw}
