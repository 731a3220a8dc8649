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
from jaxnn.layers.recurrence import GRU as GRU
from jaxnn.layers.recurrence import LSTM as LSTM
from jaxnn.layers.recurrence import RNN as RNN
from jaxnn.layers.recurrence import Bidirectional as Bidirectional
from jaxnn.models.char_rnn import CharRNN as CharRNN
from jaxnn.models.cnn import residual_cnn as residual_cnn
from jaxnn.models.mlp import MLP as MLP
from jaxnn.models.seq2seq import Seq2Seq as Seq2Seq
from jaxnn.ops.activations import log_softmax as log_softmax
from jaxnn.ops.activations import relu as relu
from jaxnn.ops.activations import sigmoid as sigmoid
from jaxnn.ops.activations import softmax as softmax
from jaxnn.ops.activations import tanh as tanh
from jaxnn.ops.affine import linear as linear
from jaxnn.ops.alignment import additive_attention as additive_attention
from jaxnn.ops.convolution import conv2d as conv2d
from jaxnn.ops.losses import cross_entropy as cross_entropy
from jaxnn.ops.losses import mse as mse
from jaxnn.ops.memory import lstm as lstm
from jaxnn.ops.memory import lstm_cell as lstm_cell
from jaxnn.ops.memory import reorder_gates as reorder_gates
from jaxnn.ops.pooling import max_pool2d as max_pool2d
from jaxnn.ops.recurrence import gru as gru
from jaxnn.ops.recurrence import gru_cell as gru_cell
from jaxnn.ops.recurrence import rnn as rnn
from jaxnn.ops.recurrence import rnn_cell as rnn_cell
from jaxnn.ops.reshaping import flatten as flatten
