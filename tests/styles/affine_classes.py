"""Layers as classes that are given their arrays and return what they compute."""

import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(self.x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        shifted = x - x.max(axis=1, keepdims=True)
        self.y = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        rows = np.arange(len(t))
        self.loss = -np.sum(np.log(self.y[rows, t])) / len(t)
        return self.loss

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dout * dx / len(self.t)


class MatMul:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.x = None

    def forward(self, x):
        (W,) = self.params
        self.x = x
        return np.dot(x, W)

    def backward(self, dout):
        (W,) = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        return np.dot(dout, W.T)


class LSTMCell:
    def __init__(self, Wx, Wh, b):
        """
        Wx: weights of shape (D, 4*H)
        Wh: weights of shape (H, 4*H)
        b: biases of shape (4*H,)
        """
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev, c_prev):
        """
        x: inputs of shape (N, D)
        h_prev: hidden states of shape (N, H)
        c_prev: cells of shape (N, H)
        """
        Wx, Wh, b = self.params
        H = h_prev.shape[1]
        A = np.dot(x, Wx) + np.dot(h_prev, Wh) + b
        f, i, o = (1 / (1 + np.exp(-A[:, k * H : (k + 1) * H])) for k in range(3))
        g = np.tanh(A[:, 3 * H :])
        c = f * c_prev + g * i
        self.cache = x, h_prev, c_prev, f, i, o, g, c
        return o * np.tanh(c), c

    def backward(self, dh_next, dc_next):
        Wx, Wh, b = self.params
        x, h_prev, c_prev, f, i, o, g, c = self.cache
        tanh_c = np.tanh(c)
        dc = dc_next + dh_next * o * (1 - tanh_c**2)
        do = dh_next * tanh_c
        df, di, dg = dc * c_prev, dc * g, dc * i
        dA = np.hstack((df * f * (1 - f), di * i * (1 - i), do * o * (1 - o), dg * (1 - g**2)))
        self.grads[0][...] = np.dot(x.T, dA)
        self.grads[1][...] = np.dot(h_prev.T, dA)
        self.grads[2][...] = dA.sum(axis=0)
        return np.dot(dA, Wx.T), np.dot(dA, Wh.T), dc * f


class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)


class TimeAffine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.x = None

    def forward(self, x):
        """x: a sequence for each row, of shape (N, T, D)"""
        N, T, D = x.shape
        self.x = x
        return (np.dot(x.reshape(N * T, D), self.W) + self.b).reshape(N, T, -1)

    def backward(self, dout):
        N, T, D = self.x.shape
        dout = dout.reshape(N * T, -1)
        self.dW = np.dot(self.x.reshape(N * T, D).T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T).reshape(N, T, D)
