"""Convolutional classifiers."""

from scratchnn.initializers import he_normal
from scratchnn.layers.affine import Linear
from scratchnn.layers.composition import Op, Residual, Sequential
from scratchnn.layers.convolution import Conv2d
from scratchnn.ops.activations import relu
from scratchnn.ops.pooling import max_pool2d
from scratchnn.ops.reshaping import flatten


def residual_cnn(
    image: tuple[int, int, int], channels: tuple[int, int], hidden: int, classes: int
) -> Sequential:
    """conv, relu, x + conv(x), max pool, conv, relu, x + conv(x), fc, relu, fc.

    All kernels are 3 x 3 and padded to keep the image; pooling halves it once.

    Args:
        image: (H, W, C) of the inputs, in pixels and channels.
        channels: of the first and the second pair of convolutions.
        hidden: width of the first fully connected layer.
        classes: number of logits.

    Returns:
        The model, (N, H, W, C) -> (N, classes).

    Source: residual connections, He et al., arXiv:1512.03385.

    >>> import numpy as np
    >>> model = residual_cnn((6, 8, 1), (2, 3), 5, 10)
    >>> params, state = model.init(np.random.default_rng(0))
    >>> (logits, _), _ = model.forward(params, state, np.ones((4, 6, 8, 1)))
    >>> logits.shape
    (4, 10)
    """
    H, W, C = image
    c1, c2 = channels
    return Sequential(
        (
            ("conv1", Conv2d(C, c1, 3, padding=1, initializer=he_normal)),
            ("relu", Op(relu)),
            ("res1", Residual(Conv2d(c1, c1, 3, padding=1))),
            ("pool", Op(max_pool2d, size=2)),
            ("conv2", Conv2d(c1, c2, 3, padding=1, initializer=he_normal)),
            ("relu", Op(relu)),
            ("res2", Residual(Conv2d(c2, c2, 3, padding=1))),
            ("flatten", Op(flatten)),
            ("fc1", Linear((H // 2) * (W // 2) * c2, hidden, initializer=he_normal)),
            ("relu", Op(relu)),
            ("fc2", Linear(hidden, classes)),
        )
    )
