"""My layers for the second assignment: every forward saves a cache, every backward reads it."""

import numpy as np


def affine_forward(x, w, b):
    """
    Fully connected layer.

    Inputs:
    - x: array of shape (N, d_1, ..., d_k), a minibatch of N examples
    - w: array of weights of shape (D, M), with D = d_1 * ... * d_k
    - b: array of biases of shape (M,)

    Returns a tuple of:
    - out: scores, of shape (N, M)
    - cache: (x, w, b)
    """
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    """
    Backward pass of the fully connected layer.

    Inputs:
    - dout: upstream derivative, of shape (N, M)
    - cache: (x, w, b) of the forward pass

    Returns a tuple of dx (N, d_1, ..., d_k), dw (D, M) and db (M,)
    """
    x, w, b = cache
    N = x.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    """
    Rectified linear units, for an input x of any shape.

    Returns a tuple of out, of the shape of x, and the cache, which is x
    """
    out = np.maximum(0, x)
    cache = x
    return out, cache


def relu_backward(dout, cache):
    """Backward pass of the rectifier: dout where x was positive."""
    x = cache
    dx = dout * (x > 0)
    return dx


def batchnorm_forward(x, gamma, beta, bn_param):
    """
    Batch normalization.

    In training the statistics are those of the minibatch, and running averages of them are kept:

        running = momentum * running + (1 - momentum) * sample

    At test time the running averages are used instead.

    Inputs:
    - x: data of shape (N, D)
    - gamma: scale of shape (D,)
    - beta: shift of shape (D,)
    - bn_param: dictionary with the keys
      - mode: 'train' or 'test'; required
      - eps: constant for numeric stability
      - momentum: constant of the running averages
      - running_mean, running_var: arrays of shape (D,), updated in training

    Returns a tuple of out, of shape (N, D), and cache
    """
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)

    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))

    out, cache = None, None
    if mode == "train":
        mean = x.mean(axis=0)
        var = x.var(axis=0)
        std = np.sqrt(var + eps)
        x_hat = (x - mean) / std
        out = gamma * x_hat + beta
        cache = (x, x_hat, mean, std, gamma)
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        x_hat = (x - running_mean) / np.sqrt(running_var + eps)
        out = gamma * x_hat + beta
    else:
        raise ValueError('Invalid forward batchnorm mode "%s"' % mode)

    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    """
    Backward pass of batch normalization, one node of the computational graph after the other.

    Returns a tuple of dx (N, D), dgamma (D,) and dbeta (D,)
    """
    x, x_hat, mean, std, gamma = cache
    N = x.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)

    dx_hat = dout * gamma
    dstd = np.sum(-dx_hat * (x - mean) / std**2, axis=0)
    dvar = 0.5 * dstd / std
    dx1 = dx_hat / std + 2 * (x - mean) * dvar / N
    dmean = -np.sum(dx1, axis=0)
    dx2 = dmean / N
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def batchnorm_backward_alt(dout, cache):
    """The same in closed form, simplified on paper."""
    x, x_hat, mean, std, gamma = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx = gamma / (N * std) * (N * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


def layernorm_forward(x, gamma, beta, ln_param):
    """
    Layer normalization: every example is normalized over its own features.

    Inputs:
    - x: data of shape (N, D)
    - gamma: scale of shape (D,)
    - beta: shift of shape (D,)
    - ln_param: dictionary, may hold eps

    Returns a tuple of out, of shape (N, D), and cache
    """
    eps = ln_param.get("eps", 1e-5)
    mu = x.mean(axis=1, keepdims=True)
    var = x.var(axis=1, keepdims=True)
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = (x - mu) * inv_std
    out = gamma * x_hat + beta
    cache = (x_hat, inv_std, gamma)
    return out, cache


def layernorm_backward(dout, cache):
    """
    Backward pass of layer normalization.

    Returns a tuple of dx (N, D), dgamma (D,) and dbeta (D,)
    """
    x_hat, inv_std, gamma = cache
    D = x_hat.shape[1]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)
    dx_hat = dout * gamma
    s1 = np.sum(dx_hat, axis=1, keepdims=True)
    s2 = np.sum(dx_hat * x_hat, axis=1, keepdims=True)
    dx = inv_std / D * (D * dx_hat - s1 - x_hat * s2)
    return dx, dgamma, dbeta


def dropout_forward(x, dropout_param):
    """
    Inverted dropout.

    Inputs:
    - x: input of any shape
    - dropout_param: dictionary with the keys
      - p: probability to keep a unit
      - mode: 'train' or 'test'; at test time nothing is dropped
      - seed: of the random numbers, so that gradients can be checked

    Returns a tuple of out, of the shape of x, and cache
    """
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])

    mask = None
    out = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    elif mode == "test":
        out = x
    cache = (dropout_param, mask)
    return out, cache


def dropout_backward(dout, cache):
    """Backward pass of inverted dropout."""
    dropout_param, mask = cache
    mode = dropout_param["mode"]
    dx = None
    if mode == "train":
        dx = dout * mask
    elif mode == "test":
        dx = dout
    return dx


def conv_forward_naive(x, w, b, conv_param):
    """
    Convolution, with loops.

    Inputs:
    - x: images of shape (N, C, H, W)
    - w: filters of shape (F, C, HH, WW)
    - b: biases of shape (F,)
    - conv_param: dictionary with the keys
      - stride: number of pixels between neighboring windows, in both directions
      - pad: number of zeros put around the images, on all four sides

    Returns a tuple of:
    - out: of shape (N, F, H', W'), with H' = 1 + (H + 2 * pad - HH) / stride, and so on
    - cache: (x, w, b, conv_param)
    """
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    assert (H + 2 * pad - HH) % stride == 0, "the height does not fit"
    assert (W + 2 * pad - WW) % stride == 0, "the width does not fit"
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride

    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    hs, ws = i * stride, j * stride
                    window = x_pad[n, :, hs : hs + HH, ws : ws + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    cache = (x, w, b, conv_param)
    return out, cache


def conv_backward_naive(dout, cache):
    """
    Backward pass of the convolution, with loops.

    Returns a tuple of dx, dw and db, of the shapes of x, w and b
    """
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    _, _, H_out, W_out = dout.shape

    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    dx_pad = np.zeros_like(x_pad)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            db[f] += dout[n, f].sum()
            for i in range(H_out):
                for j in range(W_out):
                    hs, ws = i * stride, j * stride
                    window = x_pad[n, :, hs : hs + HH, ws : ws + WW]
                    dw[f] += window * dout[n, f, i, j]
                    dx_pad[n, :, hs : hs + HH, ws : ws + WW] += w[f] * dout[n, f, i, j]
    dx = dx_pad[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, db


def max_pool_forward_naive(x, pool_param):
    """
    Max pooling, with loops and without padding.

    Inputs:
    - x: images of shape (N, C, H, W)
    - pool_param: dictionary with the keys pool_height, pool_width and stride

    Returns a tuple of:
    - out: of shape (N, C, H', W'), with H' = 1 + (H - pool_height) / stride, and so on
    - cache: (x, pool_param)
    """
    ph, pw = pool_param["pool_height"], pool_param["pool_width"]
    stride = pool_param["stride"]
    N, C, H, W = x.shape
    H_out = 1 + (H - ph) // stride
    W_out = 1 + (W - pw) // stride
    out = np.zeros((N, C, H_out, W_out))
    for i in range(H_out):
        for j in range(W_out):
            hs, ws = i * stride, j * stride
            out[:, :, i, j] = x[:, :, hs : hs + ph, ws : ws + pw].max(axis=(2, 3))
    cache = (x, pool_param)
    return out, cache


def max_pool_backward_naive(dout, cache):
    """Backward pass of max pooling: the first maximum of a window gets its gradient."""
    x, pool_param = cache
    ph, pw = pool_param["pool_height"], pool_param["pool_width"]
    stride = pool_param["stride"]
    N, C, H_out, W_out = dout.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    hs, ws = i * stride, j * stride
                    window = x[n, c, hs : hs + ph, ws : ws + pw]
                    row, col = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, hs + row, ws + col] += dout[n, c, i, j]
    return dx


def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    """
    Batch normalization of images, over N, H and W.

    Inputs:
    - x: images of shape (N, C, H, W)
    - gamma: scale of shape (C,)
    - beta: shift of shape (C,)
    - bn_param: as of batchnorm_forward

    Returns a tuple of out, of shape (N, C, H, W), and cache
    """
    N, C, H, W = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)
    out = out.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return out, cache


def spatial_batchnorm_backward(dout, cache):
    """
    Backward pass of batch normalization of images.

    Returns a tuple of dx (N, C, H, W), dgamma (C,) and dbeta (C,)
    """
    N, C, H, W = dout.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, C)
    dx, dgamma, dbeta = batchnorm_backward_alt(rows, cache)
    dx = dx.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return dx, dgamma, dbeta


def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    """
    Group normalization: the channels of an image are split into G groups, and every group is
    normalized on its own.

    Inputs:
    - x: images of shape (N, C, H, W)
    - gamma: scale of shape (1, C, 1, 1)
    - beta: shift of shape (1, C, 1, 1)
    - G: number of groups, a divisor of C
    - gn_param: dictionary, may hold eps

    Returns a tuple of out, of shape (N, C, H, W), and cache
    """
    eps = gn_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    grouped = x.reshape(N * G, -1)
    mean = grouped.mean(axis=1, keepdims=True)
    var = grouped.var(axis=1, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = ((grouped - mean) / std).reshape(N, C, H, W)
    out = gamma * x_hat + beta
    cache = (G, x_hat, std, gamma)
    return out, cache


def spatial_groupnorm_backward(dout, cache):
    """
    Backward pass of group normalization.

    Returns a tuple of dx (N, C, H, W), dgamma (1, C, 1, 1) and dbeta (1, C, 1, 1)
    """
    G, x_hat, std, gamma = cache
    N, C, H, W = dout.shape
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dgamma = np.sum(dout * x_hat, axis=(0, 2, 3), keepdims=True)
    dx_hat = (dout * gamma).reshape(N * G, -1)
    x_hat = x_hat.reshape(N * G, -1)
    mean_1 = dx_hat.mean(axis=1, keepdims=True)
    mean_2 = np.mean(dx_hat * x_hat, axis=1, keepdims=True)
    dx = (dx_hat - mean_1 - x_hat * mean_2) / std
    dx = dx.reshape(N, C, H, W)
    return dx, dgamma, dbeta


def svm_loss(x, y):
    """
    Multiclass SVM loss with a margin of 1.

    Inputs:
    - x: scores of shape (N, C)
    - y: labels of shape (N,), 0 <= y[i] < C

    Returns a tuple of loss, a number, and dx, of shape (N, C)
    """
    N = x.shape[0]
    correct = x[np.arange(N), y][:, np.newaxis]
    margins = np.maximum(0, x - correct + 1)
    margins[np.arange(N), y] = 0
    loss = margins.sum() / N

    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    dx /= N
    return loss, dx


def softmax_loss(x, y):
    """
    Softmax loss.

    Inputs:
    - x: scores of shape (N, C)
    - y: labels of shape (N,), 0 <= y[i] < C

    Returns a tuple of loss, a number, and dx, of shape (N, C)
    """
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    probs = np.exp(log_probs)
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx
