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
from jaxnn.layers.embeddings import Embedding as Embedding
from jaxnn.layers.normalization import BatchNorm as BatchNorm
from jaxnn.layers.normalization import GroupNorm as GroupNorm
from jaxnn.layers.normalization import InstanceNorm as InstanceNorm
from jaxnn.layers.normalization import LayerNorm as LayerNorm
from jaxnn.layers.normalization import RMSNorm as RMSNorm
from jaxnn.layers.normalization import WeightNorm as WeightNorm
from jaxnn.layers.recurrence import LSTM as LSTM
from jaxnn.models.cnn import residual_cnn as residual_cnn
from jaxnn.models.mlp import MLP as MLP
from jaxnn.ops.activations import log_softmax as log_softmax
from jaxnn.ops.activations import relu as relu
from jaxnn.ops.activations import sigmoid as sigmoid
from jaxnn.ops.activations import softmax as softmax
from jaxnn.ops.activations import tanh as tanh
from jaxnn.ops.affine import linear as linear
from jaxnn.ops.convolution import conv2d as conv2d
from jaxnn.ops.embeddings import embedding as embedding
from jaxnn.ops.lengths import l2_normalize as l2_normalize
from jaxnn.ops.lengths import rms_norm as rms_norm
from jaxnn.ops.lengths import weight_norm as weight_norm
from jaxnn.ops.losses import cross_entropy as cross_entropy
from jaxnn.ops.losses import mse as mse
from jaxnn.ops.normalization import batch_norm as batch_norm
from jaxnn.ops.normalization import batch_norm_inference as batch_norm_inference
from jaxnn.ops.normalization import group_norm as group_norm
from jaxnn.ops.normalization import instance_norm as instance_norm
from jaxnn.ops.normalization import layer_norm as layer_norm
from jaxnn.ops.normalization import standardize as standardize
from jaxnn.ops.pooling import max_pool2d as max_pool2d
from jaxnn.ops.recurrence import lstm as lstm
from jaxnn.ops.recurrence import lstm_cell as lstm_cell
from jaxnn.ops.reshaping import flatten as flatten
