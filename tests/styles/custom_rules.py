"""Functions with derivative rules of their own."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def softplus(x):
    """x: array of shape (N, D)"""
    return jnp.logaddexp(x, 0.0)


def softplus_fwd(x):
    return softplus(x), (x,)


def softplus_bwd(res, g):
    (x,) = res
    return (g / (1.0 + jnp.exp(-x)),)


softplus.defvjp(softplus_fwd, softplus_bwd)


@jax.custom_vjp
def scaled_dense(x, w, scale):
    """
    x: inputs of shape (N, D)
    w: weights of shape (D, M)
    scale: factors of shape (M,)
    """
    return (x @ w) * scale


def scaled_dense_fwd(x, w, scale):
    h = x @ w
    return h * scale, (x, w, scale, h)


def scaled_dense_bwd(res, dy):
    x, w, scale, h = res
    dh = dy * scale
    dx = dh @ w.T
    dw = x.T @ dh
    dscale = jnp.sum(dy * h, axis=0)
    return dx, dw, dscale


scaled_dense.defvjp(scaled_dense_fwd, scaled_dense_bwd)


@jax.custom_jvp
def log1p_square(x):
    """x: array of shape (N,)"""
    return jnp.log1p(x * x)


@log1p_square.defjvp
def log1p_square_jvp(primals, tangents):
    (x,) = primals
    (dx,) = tangents
    y = jnp.log1p(x * x)
    return y, 2 * x / (1 + x * x) * dx
