"""The layers of scratchnn in JAX, derivatives by autodiff.

The twin, file by file and name by name: `jaxnn.f(*arrays, **config)` is what `scratchnn.f` returns,
less the cache, and `jax.vjp` of it is what `scratchnn.f_backward` was derived by hand to be.
"""

from jaxnn import checkpoints as checkpoints
from jaxnn import initializers as initializers
from jaxnn import optimizers as optimizers
from jaxnn import schedules as schedules
from jaxnn import trees as trees
from jaxnn.layers.affine import Bilinear as Bilinear
from jaxnn.layers.affine import Linear as Linear
from jaxnn.layers.composition import Op as Op
from jaxnn.layers.composition import Residual as Residual
from jaxnn.layers.composition import Sequential as Sequential
from jaxnn.layers.convolution import Conv1d as Conv1d
from jaxnn.layers.convolution import Conv2d as Conv2d
from jaxnn.layers.convolution import Conv3d as Conv3d
from jaxnn.layers.convolution import ConvTranspose2d as ConvTranspose2d
from jaxnn.layers.gated import SwiGLU as SwiGLU
from jaxnn.layers.rectifiers import PReLU as PReLU
from jaxnn.layers.recurrence import LSTM as LSTM
from jaxnn.layers.regularization import Dropout as Dropout
from jaxnn.models.cnn import residual_cnn as residual_cnn
from jaxnn.models.mlp import MLP as MLP
from jaxnn.ops.activations import log_softmax as log_softmax
from jaxnn.ops.activations import relu as relu
from jaxnn.ops.activations import sigmoid as sigmoid
from jaxnn.ops.activations import softmax as softmax
from jaxnn.ops.activations import tanh as tanh
from jaxnn.ops.affine import bilinear as bilinear
from jaxnn.ops.affine import linear as linear
from jaxnn.ops.convolution import conv1d as conv1d
from jaxnn.ops.convolution import conv2d as conv2d
from jaxnn.ops.convolution import conv3d as conv3d
from jaxnn.ops.convolution import conv_transpose2d as conv_transpose2d
from jaxnn.ops.elementwise import abs as abs
from jaxnn.ops.elementwise import clip as clip
from jaxnn.ops.elementwise import maximum as maximum
from jaxnn.ops.gated import gelu as gelu
from jaxnn.ops.gated import glu as glu
from jaxnn.ops.gated import hardswish as hardswish
from jaxnn.ops.gated import silu as silu
from jaxnn.ops.gated import swiglu as swiglu
from jaxnn.ops.losses import cross_entropy as cross_entropy
from jaxnn.ops.losses import mse as mse
from jaxnn.ops.pooling import adaptive_avg_pool2d as adaptive_avg_pool2d
from jaxnn.ops.pooling import avg_pool2d as avg_pool2d
from jaxnn.ops.pooling import global_avg_pool2d as global_avg_pool2d
from jaxnn.ops.pooling import max_pool2d as max_pool2d
from jaxnn.ops.rectifiers import elu as elu
from jaxnn.ops.rectifiers import leaky_relu as leaky_relu
from jaxnn.ops.rectifiers import prelu as prelu
from jaxnn.ops.rectifiers import selu as selu
from jaxnn.ops.rectifiers import softplus as softplus
from jaxnn.ops.recurrence import lstm as lstm
from jaxnn.ops.recurrence import lstm_cell as lstm_cell
from jaxnn.ops.regularization import dropout as dropout
from jaxnn.ops.resampling import pixel_shuffle as pixel_shuffle
from jaxnn.ops.resampling import upsample_bilinear2d as upsample_bilinear2d
from jaxnn.ops.resampling import upsample_nearest2d as upsample_nearest2d
from jaxnn.ops.reshaping import flatten as flatten
