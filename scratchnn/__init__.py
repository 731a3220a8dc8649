"""Neural networks in NumPy, every backward derived by hand.

An op `f` and its backward are a pair of functions,

    y, cache = f(*arrays, **config)        dx, ... = f_backward(dy, cache)

and `jaxnn.f(*arrays, **config)` is y again, differentiated by JAX. dx is the cotangent of x: the
derivative of the loss with respect to x, in the shape of x.

Letters of the shapes: N batch, T time, D features in, M features out, H hidden units (or the
height of an image), W width, C channels in, K channels out or classes, KH and KW the kernel, HO
and WO the output image.
"""

from scratchnn import checkpoints as checkpoints
from scratchnn import initializers as initializers
from scratchnn import optimizers as optimizers
from scratchnn import trees as trees
from scratchnn.layers.affine import Linear as Linear
from scratchnn.layers.attentions import MultiHeadAttention as MultiHeadAttention
from scratchnn.layers.composition import Op as Op
from scratchnn.layers.composition import Residual as Residual
from scratchnn.layers.composition import Sequential as Sequential
from scratchnn.layers.convolution import Conv2d as Conv2d
from scratchnn.layers.positions import LearnedPositions as LearnedPositions
from scratchnn.layers.recurrence import LSTM as LSTM
from scratchnn.layers.transformers import DecoderBlock as DecoderBlock
from scratchnn.layers.transformers import TransformerBlock as TransformerBlock
from scratchnn.models.cnn import residual_cnn as residual_cnn
from scratchnn.models.mlp import MLP as MLP
from scratchnn.models.transformer import GPT as GPT
from scratchnn.models.transformer import EncoderDecoder as EncoderDecoder
from scratchnn.ops.activations import gelu as gelu
from scratchnn.ops.activations import gelu_backward as gelu_backward
from scratchnn.ops.activations import log_softmax as log_softmax
from scratchnn.ops.activations import log_softmax_backward as log_softmax_backward
from scratchnn.ops.activations import relu as relu
from scratchnn.ops.activations import relu_backward as relu_backward
from scratchnn.ops.activations import sigmoid as sigmoid
from scratchnn.ops.activations import sigmoid_backward as sigmoid_backward
from scratchnn.ops.activations import softmax as softmax
from scratchnn.ops.activations import softmax_backward as softmax_backward
from scratchnn.ops.activations import tanh as tanh
from scratchnn.ops.activations import tanh_backward as tanh_backward
from scratchnn.ops.affine import linear as linear
from scratchnn.ops.affine import linear_backward as linear_backward
from scratchnn.ops.attentions import attention as attention
from scratchnn.ops.attentions import attention_backward as attention_backward
from scratchnn.ops.attentions import blockwise_attention as blockwise_attention
from scratchnn.ops.attentions import blockwise_attention_backward as blockwise_attention_backward
from scratchnn.ops.convolution import conv2d as conv2d
from scratchnn.ops.convolution import conv2d_backward as conv2d_backward
from scratchnn.ops.embeddings import embedding as embedding
from scratchnn.ops.embeddings import embedding_backward as embedding_backward
from scratchnn.ops.heads import grouped_attention as grouped_attention
from scratchnn.ops.heads import grouped_attention_backward as grouped_attention_backward
from scratchnn.ops.heads import merge_heads as merge_heads
from scratchnn.ops.heads import merge_heads_backward as merge_heads_backward
from scratchnn.ops.heads import multi_head_attention as multi_head_attention
from scratchnn.ops.heads import multi_head_attention_backward as multi_head_attention_backward
from scratchnn.ops.heads import project_heads as project_heads
from scratchnn.ops.heads import project_heads_backward as project_heads_backward
from scratchnn.ops.losses import cross_entropy as cross_entropy
from scratchnn.ops.losses import cross_entropy_backward as cross_entropy_backward
from scratchnn.ops.losses import mse as mse
from scratchnn.ops.losses import mse_backward as mse_backward
from scratchnn.ops.normalization import layer_norm as layer_norm
from scratchnn.ops.normalization import layer_norm_backward as layer_norm_backward
from scratchnn.ops.pooling import max_pool2d as max_pool2d
from scratchnn.ops.pooling import max_pool2d_backward as max_pool2d_backward
from scratchnn.ops.positions import rotary as rotary
from scratchnn.ops.positions import rotary_backward as rotary_backward
from scratchnn.ops.positions import sinusoidal as sinusoidal
from scratchnn.ops.recurrence import lstm as lstm
from scratchnn.ops.recurrence import lstm_backward as lstm_backward
from scratchnn.ops.recurrence import lstm_cell as lstm_cell
from scratchnn.ops.recurrence import lstm_cell_backward as lstm_cell_backward
from scratchnn.ops.reshaping import flatten as flatten
from scratchnn.ops.reshaping import flatten_backward as flatten_backward
