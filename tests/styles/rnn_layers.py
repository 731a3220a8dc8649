"""My layers for the third assignment: vanilla RNN, LSTM, word embeddings, and what is on top."""

import numpy as np


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    """
    One timestep of a vanilla RNN with tanh.

    Inputs:
    - x: input of this timestep, of shape (N, D)
    - prev_h: hidden state of the previous one, of shape (N, H)
    - Wx: weights from input to hidden, of shape (D, H)
    - Wh: weights from hidden to hidden, of shape (H, H)
    - b: biases of shape (H,)

    Returns a tuple of next_h, of shape (N, H), and cache
    """
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    cache = (x, prev_h, Wx, Wh, next_h)
    return next_h, cache


def rnn_step_backward(dnext_h, cache):
    """
    Backward pass of one timestep.

    Returns a tuple of dx (N, D), dprev_h (N, H), dWx (D, H), dWh (H, H) and db (H,)
    """
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    """
    A vanilla RNN over a whole sequence.

    Inputs:
    - x: inputs of shape (N, T, D)
    - h0: first hidden state, of shape (N, H)
    - Wx, Wh, b: as of rnn_step_forward

    Returns a tuple of h, the hidden states of all timesteps, of shape (N, T, H), and cache
    """
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    cache = []
    prev_h = h0
    for t in range(T):
        prev_h, step = rnn_step_forward(x[:, t, :], prev_h, Wx, Wh, b)
        h[:, t, :] = prev_h
        cache.append(step)
    return h, cache


def rnn_backward(dh, cache):
    """
    Backward pass of a vanilla RNN over a whole sequence; dh holds no gradients between timesteps.

    Returns a tuple of dx (N, T, D), dh0 (N, H), dWx (D, H), dWh (H, H) and db (H,)
    """
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx = np.zeros((D, H))
    dWh = np.zeros((H, H))
    db = np.zeros(H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        dnext_h = dh[:, t, :] + dprev_h
        dx[:, t, :], dprev_h, dWx_t, dWh_t, db_t = rnn_step_backward(dnext_h, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db


def word_embedding_forward(x, W):
    """
    Word vectors.

    Inputs:
    - x: indices of words, integers of shape (N, T), each 0 <= idx < V
    - W: a vector for every word, of shape (V, D)

    Returns a tuple of out, of shape (N, T, D), and cache
    """
    out = W[x]
    cache = (x, W)
    return out, cache


def word_embedding_backward(dout, cache):
    """Backward pass of word vectors: a word that occurs twice gets the sum. Returns dW (V, D)."""
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


def sigmoid(x):
    """The logistic function, without overflow."""
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """
    One timestep of an LSTM.

    Inputs:
    - x: input of shape (N, D)
    - prev_h: previous hidden state, of shape (N, H)
    - prev_c: previous cell state, of shape (N, H)
    - Wx: weights of shape (D, 4H), for the gates i, f, o and g, in this order
    - Wh: weights of shape (H, 4H)
    - b: biases of shape (4H,)

    Returns a tuple of next_h (N, H), next_c (N, H) and cache
    """
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H : 2 * H])
    o = sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    next_h = o * tanh_c
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    """
    Backward pass of one timestep of an LSTM.

    Returns a tuple of dx (N, D), dprev_h (N, H), dprev_c (N, H), dWx (D, 4H), dWh (H, 4H) and
    db (4H,)
    """
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    df = dc * prev_c
    di = dc * g
    dg = dc * i
    dprev_c = dc * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = np.sum(da, axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_forward(x, h0, Wx, Wh, b):
    """
    An LSTM over a whole sequence; its first cell state is zero.

    Inputs:
    - x: inputs of shape (N, T, D)
    - h0: first hidden state, of shape (N, H)
    - Wx, Wh, b: as of lstm_step_forward

    Returns a tuple of h, the hidden states of all timesteps, of shape (N, T, H), and cache
    """
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    cache = []
    h_t, c_t = h0, np.zeros((N, H))
    for t in range(T):
        h_t, c_t, step = lstm_step_forward(x[:, t, :], h_t, c_t, Wx, Wh, b)
        h[:, t, :] = h_t
        cache.append(step)
    return h, cache


def lstm_backward(dh, cache):
    """
    Backward pass of an LSTM over a whole sequence.

    Returns a tuple of dx (N, T, D), dh0 (N, H), dWx (D, 4H), dWh (H, 4H) and db (4H,)
    """
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        grads = lstm_step_backward(dh[:, t, :] + dprev_h, dprev_c, cache[t])
        dx[:, t, :], dprev_h, dprev_c, dWx_t, dWh_t, db_t = grads
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


def temporal_affine_forward(x, w, b):
    """
    The same fully connected layer at every timestep.

    Inputs:
    - x: inputs of shape (N, T, D)
    - w: weights of shape (D, M)
    - b: biases of shape (M,)

    Returns a tuple of out, of shape (N, T, M), and cache
    """
    N, T, D = x.shape
    M = b.shape[0]
    out = x.reshape(N * T, D).dot(w).reshape(N, T, M) + b
    cache = x, w, b, out
    return out, cache


def temporal_affine_backward(dout, cache):
    """
    Backward pass of the fully connected layer at every timestep.

    Returns a tuple of dx (N, T, D), dw (D, M) and db (M,)
    """
    x, w, b, out = cache
    N, T, D = x.shape
    M = b.shape[0]
    flat = dout.reshape(N * T, M)
    dx = flat.dot(w.T).reshape(N, T, D)
    dw = x.reshape(N * T, D).T.dot(flat)
    db = dout.sum(axis=(0, 1))
    return dx, dw, db


def temporal_softmax_loss(x, y, mask, verbose=False):
    """
    Softmax loss over a vocabulary at every timestep, summed over time, averaged over the batch.

    Inputs:
    - x: scores of shape (N, T, V)
    - y: labels of shape (N, T), 0 <= y[i, t] < V
    - mask: booleans of shape (N, T): whether the scores at (i, t) count

    Returns a tuple of loss, a number, and dx, of shape (N, T, V)
    """
    N, T, V = x.shape
    scores = x.reshape(N * T, V)
    labels = y.reshape(N * T)
    counts = mask.reshape(N * T)

    probs = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(counts * np.log(probs[np.arange(N * T), labels])) / N
    dscores = probs.copy()
    dscores[np.arange(N * T), labels] -= 1
    dscores /= N
    dscores *= counts[:, None]

    if verbose:
        print("dscores:", dscores.shape)
    dx = dscores.reshape(N, T, V)
    return loss, dx
