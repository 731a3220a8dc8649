import numpy as np


def two_layer_loss(X, W1, b1, W2, b2, y, reg=0.3):
    """affine - relu - affine - softmax, L2 on the weights (not the biases)."""
    N = X.shape[0]
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    exp = np.exp(scores)
    probs = exp / exp.sum(axis=1, keepdims=True)
    data_loss = -np.log(probs[np.arange(N), y]).mean()
    reg_loss = 0.5 * reg * np.sum(W1 * W1) + 0.5 * reg * np.sum(W2 * W2)
    loss = data_loss + reg_loss
    return loss, (X, W1, W2, hidden, probs, y, reg)


def two_layer_loss_backward(dloss, cache):
    X, W1, W2, hidden, probs, y, reg = cache
    N = X.shape[0]

    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores *= dloss / N

    grads = {}
    grads["W2"] = hidden.T.dot(dscores)
    grads["b2"] = dscores.sum(axis=0)
    dhidden = dscores.dot(W2.T)
    dhidden[hidden <= 0] = 0
    grads["W1"] = X.T.dot(dhidden)
    grads["b1"] = dhidden.sum(axis=0)
    dX = dhidden.dot(W1.T)

    # regularisation
    grads["W2"] += dloss * reg * W2
    grads["W1"] += dloss * reg * W1
    return dX, grads["W1"], grads["b1"], grads["W2"], grads["b2"], None


CASES = {
    "two_layer_loss": [
        lambda r: (r.standard_normal((5, 4)), r.standard_normal((4, 6)), r.standard_normal(6),
                   r.standard_normal((6, 3)), r.standard_normal(3), r.integers(0, 3, 5)),
        lambda r: dict(X=r.standard_normal((3, 7)), W1=r.standard_normal((7, 2)), b1=r.standard_normal(2) + 1,
                       W2=r.standard_normal((2, 4)), b2=r.standard_normal(4), y=r.integers(0, 4, 3)),
    ],
}
