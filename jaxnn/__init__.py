"""The layers of scratchnn in JAX, derivatives by autodiff.

The twin, file by file and name by name: `jaxnn.f(*arrays, **config)` is what `scratchnn.f` returns,
less the cache, and `jax.vjp` of it is what `scratchnn.f_backward` was derived by hand to be.
"""

from jaxnn import checkpoints as checkpoints
from jaxnn import initializers as initializers
from jaxnn import optimizers as optimizers
from jaxnn import trees as trees
from jaxnn.layers.affine import Linear as Linear
from jaxnn.layers.attentions import MultiHeadAttention as MultiHeadAttention
from jaxnn.layers.composition import Op as Op
from jaxnn.layers.composition import Residual as Residual
from jaxnn.layers.composition import Sequential as Sequential
from jaxnn.layers.convolution import Conv2d as Conv2d
from jaxnn.layers.positions import LearnedPositions as LearnedPositions
from jaxnn.layers.recurrence import LSTM as LSTM
from jaxnn.layers.transformers import DecoderBlock as DecoderBlock
from jaxnn.layers.transformers import TransformerBlock as TransformerBlock
from jaxnn.models.cnn import residual_cnn as residual_cnn
from jaxnn.models.mlp import MLP as MLP
from jaxnn.models.transformer import GPT as GPT
from jaxnn.models.transformer import EncoderDecoder as EncoderDecoder
from jaxnn.ops.activations import gelu as gelu
from jaxnn.ops.activations import log_softmax as log_softmax
from jaxnn.ops.activations import relu as relu
from jaxnn.ops.activations import sigmoid as sigmoid
from jaxnn.ops.activations import softmax as softmax
from jaxnn.ops.activations import tanh as tanh
from jaxnn.ops.affine import linear as linear
from jaxnn.ops.attentions import attention as attention
from jaxnn.ops.attentions import blockwise_attention as blockwise_attention
from jaxnn.ops.convolution import conv2d as conv2d
from jaxnn.ops.embeddings import embedding as embedding
from jaxnn.ops.heads import grouped_attention as grouped_attention
from jaxnn.ops.heads import merge_heads as merge_heads
from jaxnn.ops.heads import multi_head_attention as multi_head_attention
from jaxnn.ops.heads import project_heads as project_heads
from jaxnn.ops.losses import cross_entropy as cross_entropy
from jaxnn.ops.losses import mse as mse
from jaxnn.ops.normalization import layer_norm as layer_norm
from jaxnn.ops.pooling import max_pool2d as max_pool2d
from jaxnn.ops.positions import rotary as rotary
from jaxnn.ops.positions import sinusoidal as sinusoidal
from jaxnn.ops.recurrence import lstm as lstm
from jaxnn.ops.recurrence import lstm_cell as lstm_cell
from jaxnn.ops.reshaping import flatten as flatten
