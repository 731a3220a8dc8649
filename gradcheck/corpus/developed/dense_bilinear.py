"""Layers with matrix parameters, for the 'multimodal fusion' notebook."""
import numpy as np


def affine(x, w, b):
    # x: (batch, ...) any trailing shape, flattened; w: (out, in) as in torch
    flat = x.reshape(len(x), -1)
    return flat @ w.T + b, (x.shape, flat, w)


def affine_backward(dy, cache):
    xshape, flat, w = cache
    dx = (dy @ w).reshape(xshape)
    dw = dy.T @ flat
    db = dy.sum(axis=0)
    return dx, dw, db


def bilinear(u, v, W, b):
    """y[n, k] = u[n, i] W[k, i, j] v[n, j] + b[k]"""
    y = np.einsum('ni,kij,nj->nk', u, W, v) + b
    return y, (u, v, W)


def bilinear_backward(dy, cache):
    u, v, W = cache
    du = np.einsum('nk,kij,nj->ni', dy, W, v)
    dv = np.einsum('nk,kij,ni->nj', dy, W, u)
    dW = np.einsum('nk,ni,nj->kij', dy, u, v)
    db = np.einsum('nk->k', dy)
    return du, dv, dW, db


def lowrank(x, U, V, scale):
    """LoRA-ish: y = (x V) U * scale, scale is a vector per output."""
    h = x @ V
    z = h @ U
    return z * scale, dict(x=x, U=U, V=V, h=h, z=z, scale=scale)


def lowrank_backward(dy, cache):
    dz = dy * cache['scale']
    dscale = (dy * cache['z']).sum(0)
    dU = cache['h'].T @ dz
    dh = dz @ cache['U'].T
    dV = cache['x'].T @ dh
    dx = dh @ cache['V'].T
    return dx, dU, dV, dscale


CASES = {
    "affine": lambda r: (r.standard_normal((4, 2, 3)), r.standard_normal((5, 6)), r.standard_normal(5)),
    "bilinear": lambda r: (r.standard_normal((4, 3)), r.standard_normal((4, 5)), r.standard_normal((2, 3, 5)), r.standard_normal(2)),
    "lowrank": lambda r: (r.standard_normal((5, 4)), r.standard_normal((3, 3)), r.standard_normal((4, 3)), r.standard_normal(3)),
}
