"""Tables of vectors: lookup with positions, bag of words, tied in- and output."""
import numpy as np


def embed_forward(ids, wte, wpe):
    """ids (B, T); wte (V, C); wpe (maxT, C) with maxT >= T."""
    T = ids.shape[1]
    return wte[ids] + wpe[:T], (ids, wte.shape, wpe.shape)


def embed_backward(dout, cache):
    ids, vocab_shape, pos_shape = cache
    B, T, C = dout.shape
    dwte, dwpe = np.zeros(vocab_shape), np.zeros(pos_shape)
    for b in range(B):
        for t in range(T):
            dwte[ids[b, t]] += dout[b, t]
            dwpe[t] += dout[b, t]
    return None, dwte, dwpe


def bag_forward(words, lengths, table):
    """Mean of the vectors of the first lengths[n] words in every row of words (N, L)."""
    mask = np.arange(words.shape[1]) < lengths[:, None]
    picked = table[words] * mask[..., None]
    return picked.sum(1) / lengths[:, None], (words, lengths, mask, table.shape)


def bag_backward(grad, cache):
    words, lengths, mask, shape = cache
    share = grad / lengths[:, None]
    each = share[:, None, :] * mask[:, :, None]
    gtable = np.zeros(shape)
    np.add.at(gtable, words.ravel(), each.reshape(-1, shape[1]))
    return None, None, gtable


def tied_forward(tokens, emb, M):
    """Skip one ahead: logits of the next token, emb (V, D) on both ends, M (D, D) between."""
    inp = emb[tokens]
    mid = np.tanh(inp @ M)
    return mid @ emb.T, (tokens, emb, M, inp, mid)


def tied_backward(dlogits, cache):
    tokens, emb, M, inp, mid = cache
    demb = dlogits.T @ mid  # as the output layer
    dpre = dlogits @ emb * (1 - mid**2)
    np.add.at(demb, tokens, dpre @ M.T)  # as the input layer
    return None, demb, inp.T @ dpre


def neg_sampling(center, context, noise):
    """word2vec: center (B, D), context (B, D), noise (B, K, D)."""
    pos = np.sum(center * context, -1)
    neg = np.einsum("bd,bkd->bk", center, noise)
    loss = np.logaddexp(0, -pos) + np.logaddexp(0, neg).sum(-1)
    return loss, (center, context, noise, pos, neg)


def neg_sampling_backward(dl, cache):
    center, context, noise, pos, neg = cache
    gpos = -dl / (1 + np.exp(pos))
    gneg = dl[:, None] / (1 + np.exp(-neg))
    gcenter = gpos[:, None] * context + np.einsum("bk,bkd->bd", gneg, noise)
    gcontext = gpos[:, None] * center
    gnoise = gneg[..., None] * center[:, None]
    return gcenter, gcontext, gnoise


def _ids(r):
    B, T, V, C = 3, 5, 4, 2
    return r.integers(0, V, (B, T)), r.normal(size=(V, C)), r.normal(size=(T + 2, C))


def _bag(r):
    N, L, V, D = r.integers(3, 5), 6, 5, r.integers(2, 4)
    return r.integers(0, V, (N, L)), r.integers(1, L, N), r.normal(size=(V, D))


def _tied(r):
    V, D = r.permutation([4, 3, 5])[:2]
    return r.integers(0, V, 7), r.normal(size=(V, D)), r.normal(size=(D, D))


def _w2v(r):
    B, K, D = r.permutation([2, 3, 5])
    return r.normal(size=(B, D)), r.normal(size=(B, D)), r.normal(size=(B, K, D))


CASES = {"embed": _ids, "bag": _bag, "tied": _tied, "neg_sampling": _w2v}
