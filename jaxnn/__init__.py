"""The layers of scratchnn in JAX, derivatives by autodiff.

The twin, file by file and name by name: `jaxnn.f(*arrays, **config)` is what `scratchnn.f` returns,
less the cache, and `jax.vjp` of it is what `scratchnn.f_backward` was derived by hand to be.
"""

from jaxnn import checkpoints as checkpoints
from jaxnn import initializers as initializers
from jaxnn import optimizers as optimizers
from jaxnn import trees as trees
from jaxnn.layers.affine import Linear as Linear
from jaxnn.layers.composition import Op as Op
from jaxnn.layers.composition import Residual as Residual
from jaxnn.layers.composition import Sequential as Sequential
from jaxnn.layers.convolution import Conv2d as Conv2d
from jaxnn.layers.recurrence import LSTM as LSTM
from jaxnn.models.cnn import residual_cnn as residual_cnn
from jaxnn.models.mlp import MLP as MLP
from jaxnn.ops.activations import log_softmax as log_softmax
from jaxnn.ops.activations import relu as relu
from jaxnn.ops.activations import sigmoid as sigmoid
from jaxnn.ops.activations import softmax as softmax
from jaxnn.ops.activations import tanh as tanh
from jaxnn.ops.affine import linear as linear
from jaxnn.ops.alignment import ctc as ctc
from jaxnn.ops.convolution import conv2d as conv2d
from jaxnn.ops.losses import binary_cross_entropy as binary_cross_entropy
from jaxnn.ops.losses import cross_entropy as cross_entropy
from jaxnn.ops.losses import hinge as hinge
from jaxnn.ops.losses import kl_divergence as kl_divergence
from jaxnn.ops.losses import soft_cross_entropy as soft_cross_entropy
from jaxnn.ops.metric_losses import cosine as cosine
from jaxnn.ops.metric_losses import triplet as triplet
from jaxnn.ops.pooling import max_pool2d as max_pool2d
from jaxnn.ops.recurrence import lstm as lstm
from jaxnn.ops.recurrence import lstm_cell as lstm_cell
from jaxnn.ops.regression_losses import huber as huber
from jaxnn.ops.regression_losses import l1 as l1
from jaxnn.ops.regression_losses import mse as mse
from jaxnn.ops.reshaping import flatten as flatten
