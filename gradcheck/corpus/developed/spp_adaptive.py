import numpy as np
# He et al. 2015 spatial pyramid pooling; helper for adaptive bins shared with adaptive average pooling.


def bins(size, k):
    # same formula as in ATen: floor(i*size/k) .. ceil((i+1)*size/k); neighbours may overlap
    return [(i * size // k, -(-(i + 1) * size // k)) for i in range(k)]


def adaptive_avg(x, oh, ow):
    y = np.array([[x[..., a:b, c:d].mean((-2, -1)) for c, d in bins(x.shape[-1], ow)]
                  for a, b in bins(x.shape[-2], oh)])
    return np.moveaxis(y, (0, 1), (-2, -1)), (x.shape, oh, ow)


def adaptive_avg_backward(dy, cache):
    shape, oh, ow = cache
    dx = np.zeros(shape)
    for i, (a, b) in enumerate(bins(shape[-2], oh)):
        for j, (c, d) in enumerate(bins(shape[-1], ow)):
            dx[..., a:b, c:d] += dy[..., i, j, None, None] / ((b - a) * (d - c))
    return dx


def spp(x, levels=(1, 2, 3)):
    """(C, H, W) -> (C * sum(l*l),) by max pooling on an l x l grid for each level"""
    C, H, W = x.shape
    feats, where = [], []
    for l in levels:
        for a, b in bins(H, l):
            for c, d in bins(W, l):
                patch = x[:, a:b, c:d].reshape(C, -1)
                k = patch.argmax(1)
                feats.append(patch[np.arange(C), k])
                where.append((a + k // (d - c), c + k % (d - c)))
    return np.concatenate(feats), (x.shape, where)


def spp_backward(dy, cache):
    shape, where = cache
    C = shape[0]
    dx = np.zeros(shape)
    ch = np.arange(C)
    for m, (r, s) in enumerate(where):
        dx[ch, r, s] += dy[m * C:(m + 1) * C]
    return dx


CASES = {
    "adaptive_avg": lambda rng: (rng.standard_normal((2, 3, 5, 7)), 2, 3),
    "spp": lambda rng: (rng.standard_normal((3, 5, 7)),),
}
