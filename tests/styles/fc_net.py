"""My networks for the first and second assignments: loss returns the loss and all gradients."""

import numpy as np

class TwoLayerNet(object):
    """A two-layer fully connected network with ReLU and softmax loss."""

    def __init__(self, input_dim=3 * 32 * 32, hidden_dim=100, num_classes=10, weight_scale=1e-3, reg=0.0):
        self.params = {}
        self.reg = reg
        self.params["W1"] = weight_scale * np.random.randn(input_dim, hidden_dim)
        self.params["b1"] = np.zeros(hidden_dim)
        self.params["W2"] = weight_scale * np.random.randn(hidden_dim, num_classes)
        self.params["b2"] = np.zeros(num_classes)

    def loss(self, X, y=None):
        """
        Inputs:
        - X: Array of input data of shape (N, d_1, ..., d_k)
        - y: Array of labels, of shape (N,). y[i] gives the label for X[i].
        """
        N = X.shape[0]
        flat = X.reshape(N, -1)
        W1, b1, W2, b2 = (self.params[k] for k in ("W1", "b1", "W2", "b2"))
        h = np.maximum(0, flat.dot(W1) + b1)
        scores = h.dot(W2) + b2
        if y is None:
            return scores
        loss, grads = 0, {}
        shifted = scores - scores.max(axis=1, keepdims=True)
        logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -logp[np.arange(N), y].mean()
        loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        d = np.exp(logp)
        d[np.arange(N), y] -= 1
        d /= N
        grads["W2"] = h.T.dot(d) + self.reg * W2
        grads["b2"] = d.sum(axis=0)
        dh = d.dot(W2.T) * (h > 0)
        grads["W1"] = flat.T.dot(dh) + self.reg * W1
        grads["b1"] = dh.sum(axis=0)
        return loss, grads

class FullyConnectedNet(object):
    def __init__(self, hidden_dims, input_dim=3*32*32, num_classes=10, dropout=1, normalization=None, reg=0.0, weight_scale=1e-2, dtype=np.float32, seed=None):
        self.reg = reg
        self.num_layers = 1 + len(hidden_dims)
        self.dtype = dtype
        self.params = {}
        dims = [input_dim, *hidden_dims, num_classes]
        for i in range(self.num_layers):
            self.params["W%d" % (i + 1)] = weight_scale * np.random.randn(dims[i], dims[i + 1])
            self.params["b%d" % (i + 1)] = np.zeros(dims[i + 1])
        for k, v in self.params.items():
            self.params[k] = v.astype(dtype)

    def loss(self, X, y=None):
        X = X.astype(self.dtype)
        mode = "test" if y is None else "train"
        h, hs = X.reshape(len(X), -1), []
        for i in range(1, self.num_layers + 1):
            hs.append(h)
            a = h.dot(self.params["W%d" % i]) + self.params["b%d" % i]
            h = np.maximum(a, 0) if i < self.num_layers else a
        if mode == "test":
            return h
        s = h - h.max(axis=1, keepdims=True)
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(X)), y]).mean()
        d = p.copy(); d[np.arange(len(X)), y] -= 1; d /= len(X)
        grads = {}
        for i in range(self.num_layers, 0, -1):
            W = self.params["W%d" % i]
            loss += 0.5 * self.reg * np.sum(W * W)
            grads["W%d" % i] = hs[i-1].T.dot(d) + self.reg * W
            grads["b%d" % i] = d.sum(axis=0)
            d = d.dot(W.T) * (hs[i-1] > 0)
        return loss, grads
