"""Neural networks in NumPy, every backward derived by hand.

An op `f` and its backward are a pair of functions,

    y, cache = f(*arrays, **config)        dx, ... = f_backward(dy, cache)

and `jaxnn.f(*arrays, **config)` is y again, differentiated by JAX. dx is the cotangent of x: the
derivative of the loss with respect to x, in the shape of x.

Letters of the shapes: N batch, T time, D features in, M features out, H hidden units (or the
height of an image), W width, C channels in, K channels out or classes, KH and KW the kernel, HO
and WO the output image; L the length of a sequence that is convolved, D also the depth of a volume.
"""

from scratchnn import checkpoints as checkpoints
from scratchnn import initializers as initializers
from scratchnn import optimizers as optimizers
from scratchnn import schedules as schedules
from scratchnn import trees as trees
from scratchnn.layers.affine import Bilinear as Bilinear
from scratchnn.layers.affine import Linear as Linear
from scratchnn.layers.composition import Op as Op
from scratchnn.layers.composition import Residual as Residual
from scratchnn.layers.composition import Sequential as Sequential
from scratchnn.layers.convolution import Conv1d as Conv1d
from scratchnn.layers.convolution import Conv2d as Conv2d
from scratchnn.layers.convolution import Conv3d as Conv3d
from scratchnn.layers.convolution import ConvTranspose2d as ConvTranspose2d
from scratchnn.layers.embeddings import Embedding as Embedding
from scratchnn.layers.gated import SwiGLU as SwiGLU
from scratchnn.layers.normalization import BatchNorm as BatchNorm
from scratchnn.layers.normalization import GroupNorm as GroupNorm
from scratchnn.layers.normalization import InstanceNorm as InstanceNorm
from scratchnn.layers.normalization import LayerNorm as LayerNorm
from scratchnn.layers.normalization import RMSNorm as RMSNorm
from scratchnn.layers.normalization import WeightNorm as WeightNorm
from scratchnn.layers.rectifiers import PReLU as PReLU
from scratchnn.layers.recurrence import GRU as GRU
from scratchnn.layers.recurrence import LSTM as LSTM
from scratchnn.layers.recurrence import RNN as RNN
from scratchnn.layers.recurrence import Bidirectional as Bidirectional
from scratchnn.layers.regularization import Dropout as Dropout
from scratchnn.models.char_rnn import CharRNN as CharRNN
from scratchnn.models.cnn import residual_cnn as residual_cnn
from scratchnn.models.mlp import MLP as MLP
from scratchnn.models.seq2seq import Seq2Seq as Seq2Seq
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
from scratchnn.ops.affine import bilinear as bilinear
from scratchnn.ops.affine import bilinear_backward as bilinear_backward
from scratchnn.ops.affine import linear as linear
from scratchnn.ops.affine import linear_backward as linear_backward
from scratchnn.ops.alignment import additive_attention as additive_attention
from scratchnn.ops.alignment import additive_attention_backward as additive_attention_backward
from scratchnn.ops.convolution import conv1d as conv1d
from scratchnn.ops.convolution import conv1d_backward as conv1d_backward
from scratchnn.ops.convolution import conv2d as conv2d
from scratchnn.ops.convolution import conv2d_backward as conv2d_backward
from scratchnn.ops.convolution import conv3d as conv3d
from scratchnn.ops.convolution import conv3d_backward as conv3d_backward
from scratchnn.ops.convolution import conv_transpose2d as conv_transpose2d
from scratchnn.ops.convolution import conv_transpose2d_backward as conv_transpose2d_backward
from scratchnn.ops.elementwise import abs as abs
from scratchnn.ops.elementwise import abs_backward as abs_backward
from scratchnn.ops.elementwise import clip as clip
from scratchnn.ops.elementwise import clip_backward as clip_backward
from scratchnn.ops.elementwise import maximum as maximum
from scratchnn.ops.elementwise import maximum_backward as maximum_backward
from scratchnn.ops.embeddings import embedding as embedding
from scratchnn.ops.embeddings import embedding_backward as embedding_backward
from scratchnn.ops.gated import gelu as gelu
from scratchnn.ops.gated import gelu_backward as gelu_backward
from scratchnn.ops.gated import glu as glu
from scratchnn.ops.gated import glu_backward as glu_backward
from scratchnn.ops.gated import hardswish as hardswish
from scratchnn.ops.gated import hardswish_backward as hardswish_backward
from scratchnn.ops.gated import silu as silu
from scratchnn.ops.gated import silu_backward as silu_backward
from scratchnn.ops.gated import swiglu as swiglu
from scratchnn.ops.gated import swiglu_backward as swiglu_backward
from scratchnn.ops.lengths import l2_normalize as l2_normalize
from scratchnn.ops.lengths import l2_normalize_backward as l2_normalize_backward
from scratchnn.ops.lengths import rms_norm as rms_norm
from scratchnn.ops.lengths import rms_norm_backward as rms_norm_backward
from scratchnn.ops.lengths import weight_norm as weight_norm
from scratchnn.ops.lengths import weight_norm_backward as weight_norm_backward
from scratchnn.ops.losses import binary_cross_entropy as binary_cross_entropy
from scratchnn.ops.losses import binary_cross_entropy_backward as binary_cross_entropy_backward
from scratchnn.ops.losses import cross_entropy as cross_entropy
from scratchnn.ops.losses import cross_entropy_backward as cross_entropy_backward
from scratchnn.ops.losses import hinge as hinge
from scratchnn.ops.losses import hinge_backward as hinge_backward
from scratchnn.ops.losses import kl_divergence as kl_divergence
from scratchnn.ops.losses import kl_divergence_backward as kl_divergence_backward
from scratchnn.ops.losses import soft_cross_entropy as soft_cross_entropy
from scratchnn.ops.losses import soft_cross_entropy_backward as soft_cross_entropy_backward
from scratchnn.ops.memory import lstm as lstm
from scratchnn.ops.memory import lstm_backward as lstm_backward
from scratchnn.ops.memory import lstm_cell as lstm_cell
from scratchnn.ops.memory import lstm_cell_backward as lstm_cell_backward
from scratchnn.ops.memory import reorder_gates as reorder_gates
from scratchnn.ops.metric_losses import cosine as cosine
from scratchnn.ops.metric_losses import cosine_backward as cosine_backward
from scratchnn.ops.metric_losses import triplet as triplet
from scratchnn.ops.metric_losses import triplet_backward as triplet_backward
from scratchnn.ops.normalization import batch_norm as batch_norm
from scratchnn.ops.normalization import batch_norm_backward as batch_norm_backward
from scratchnn.ops.normalization import batch_norm_inference as batch_norm_inference
from scratchnn.ops.normalization import (
    batch_norm_inference_backward as batch_norm_inference_backward,
)
from scratchnn.ops.normalization import group_norm as group_norm
from scratchnn.ops.normalization import group_norm_backward as group_norm_backward
from scratchnn.ops.normalization import instance_norm as instance_norm
from scratchnn.ops.normalization import instance_norm_backward as instance_norm_backward
from scratchnn.ops.normalization import layer_norm as layer_norm
from scratchnn.ops.normalization import layer_norm_backward as layer_norm_backward
from scratchnn.ops.normalization import standardize as standardize
from scratchnn.ops.normalization import standardize_backward as standardize_backward
from scratchnn.ops.pooling import adaptive_avg_pool2d as adaptive_avg_pool2d
from scratchnn.ops.pooling import adaptive_avg_pool2d_backward as adaptive_avg_pool2d_backward
from scratchnn.ops.pooling import avg_pool2d as avg_pool2d
from scratchnn.ops.pooling import avg_pool2d_backward as avg_pool2d_backward
from scratchnn.ops.pooling import global_avg_pool2d as global_avg_pool2d
from scratchnn.ops.pooling import global_avg_pool2d_backward as global_avg_pool2d_backward
from scratchnn.ops.pooling import max_pool2d as max_pool2d
from scratchnn.ops.pooling import max_pool2d_backward as max_pool2d_backward
from scratchnn.ops.rectifiers import elu as elu
from scratchnn.ops.rectifiers import elu_backward as elu_backward
from scratchnn.ops.rectifiers import leaky_relu as leaky_relu
from scratchnn.ops.rectifiers import leaky_relu_backward as leaky_relu_backward
from scratchnn.ops.rectifiers import prelu as prelu
from scratchnn.ops.rectifiers import prelu_backward as prelu_backward
from scratchnn.ops.rectifiers import selu as selu
from scratchnn.ops.rectifiers import selu_backward as selu_backward
from scratchnn.ops.rectifiers import softplus as softplus
from scratchnn.ops.rectifiers import softplus_backward as softplus_backward
from scratchnn.ops.recurrence import gru as gru
from scratchnn.ops.recurrence import gru_backward as gru_backward
from scratchnn.ops.recurrence import gru_cell as gru_cell
from scratchnn.ops.recurrence import gru_cell_backward as gru_cell_backward
from scratchnn.ops.recurrence import rnn as rnn
from scratchnn.ops.recurrence import rnn_backward as rnn_backward
from scratchnn.ops.recurrence import rnn_cell as rnn_cell
from scratchnn.ops.recurrence import rnn_cell_backward as rnn_cell_backward
from scratchnn.ops.regression_losses import huber as huber
from scratchnn.ops.regression_losses import huber_backward as huber_backward
from scratchnn.ops.regression_losses import l1 as l1
from scratchnn.ops.regression_losses import l1_backward as l1_backward
from scratchnn.ops.regression_losses import mse as mse
from scratchnn.ops.regression_losses import mse_backward as mse_backward
from scratchnn.ops.regularization import dropout as dropout
from scratchnn.ops.regularization import dropout_backward as dropout_backward
from scratchnn.ops.resampling import pixel_shuffle as pixel_shuffle
from scratchnn.ops.resampling import pixel_shuffle_backward as pixel_shuffle_backward
from scratchnn.ops.resampling import upsample_bilinear2d as upsample_bilinear2d
from scratchnn.ops.resampling import upsample_bilinear2d_backward as upsample_bilinear2d_backward
from scratchnn.ops.resampling import upsample_nearest2d as upsample_nearest2d
from scratchnn.ops.resampling import upsample_nearest2d_backward as upsample_nearest2d_backward
from scratchnn.ops.reshaping import flatten as flatten
from scratchnn.ops.reshaping import flatten_backward as flatten_backward
from scratchnn.ops.sequence_losses import ctc as ctc
from scratchnn.ops.sequence_losses import ctc_backward as ctc_backward
