"""Twins of the layers of `keras_phase.layers`: the same bodies on another base."""

from tf_keras.layers import Layer

from ..layers.activation import ActivationBody
from ..layers.conversion import FromAlgebraBody, ModulusBody, PhaseEncodeBody, ToAlgebraBody
from ..layers.convolution import ConvolutionBody
from ..layers.convolution_transpose import ConvolutionTransposeBody
from ..layers.dense import DenseBody, PhaseDenseBody
from ..layers.depthwise_convolution import DepthwiseConvolutionBody
from ..layers.embedding import EmbeddingBody
from ..layers.phase_convolution import PhaseConvolutionBody
from ..layers.reshaping import ConcatenateBody, FlattenBody, ReshapeBody
from ..layers.separable_convolution import SeparableConvolutionBody
from .base import LegacyKernelMixin, LegacyMixin, register

__all__ = [
    "AlgebraActivation",
    "AlgebraConcatenate",
    "AlgebraConv1D",
    "AlgebraConv1DTranspose",
    "AlgebraConv2D",
    "AlgebraConv2DTranspose",
    "AlgebraConv3D",
    "AlgebraConv3DTranspose",
    "AlgebraDense",
    "AlgebraDepthwiseConv1D",
    "AlgebraDepthwiseConv2D",
    "AlgebraEmbedding",
    "AlgebraFlatten",
    "AlgebraReshape",
    "AlgebraSeparableConv1D",
    "AlgebraSeparableConv2D",
    "FromAlgebra",
    "Modulus",
    "PhaseConv1D",
    "PhaseConv2D",
    "PhaseConv3D",
    "PhaseDense",
    "PhaseEncode",
    "ToAlgebra",
]


@register
class AlgebraActivation(LegacyMixin, ActivationBody, Layer):
    """`keras_phase.AlgebraActivation` for tf_keras."""


@register
class AlgebraConcatenate(LegacyMixin, ConcatenateBody, Layer):
    """`keras_phase.AlgebraConcatenate` for tf_keras."""


@register
class AlgebraConv1D(LegacyKernelMixin, ConvolutionBody, Layer, rank=1):
    """`keras_phase.AlgebraConv1D` for tf_keras."""


@register
class AlgebraConv1DTranspose(LegacyKernelMixin, ConvolutionTransposeBody, Layer, rank=1):
    """`keras_phase.AlgebraConv1DTranspose` for tf_keras."""


@register
class AlgebraConv2D(LegacyKernelMixin, ConvolutionBody, Layer, rank=2):
    """`keras_phase.AlgebraConv2D` for tf_keras."""


@register
class AlgebraConv2DTranspose(LegacyKernelMixin, ConvolutionTransposeBody, Layer, rank=2):
    """`keras_phase.AlgebraConv2DTranspose` for tf_keras."""


@register
class AlgebraConv3D(LegacyKernelMixin, ConvolutionBody, Layer, rank=3):
    """`keras_phase.AlgebraConv3D` for tf_keras."""


@register
class AlgebraConv3DTranspose(LegacyKernelMixin, ConvolutionTransposeBody, Layer, rank=3):
    """`keras_phase.AlgebraConv3DTranspose` for tf_keras."""


@register
class AlgebraDense(LegacyKernelMixin, DenseBody, Layer):
    """`keras_phase.AlgebraDense` for tf_keras."""


@register
class AlgebraDepthwiseConv1D(LegacyKernelMixin, DepthwiseConvolutionBody, Layer, rank=1):
    """`keras_phase.AlgebraDepthwiseConv1D` for tf_keras."""


@register
class AlgebraDepthwiseConv2D(LegacyKernelMixin, DepthwiseConvolutionBody, Layer, rank=2):
    """`keras_phase.AlgebraDepthwiseConv2D` for tf_keras."""


@register
class AlgebraEmbedding(LegacyKernelMixin, EmbeddingBody, Layer):
    """`keras_phase.AlgebraEmbedding` for tf_keras."""


@register
class AlgebraFlatten(LegacyMixin, FlattenBody, Layer):
    """`keras_phase.AlgebraFlatten` for tf_keras."""


@register
class AlgebraReshape(LegacyMixin, ReshapeBody, Layer):
    """`keras_phase.AlgebraReshape` for tf_keras."""


@register
class AlgebraSeparableConv1D(LegacyKernelMixin, SeparableConvolutionBody, Layer, rank=1):
    """`keras_phase.AlgebraSeparableConv1D` for tf_keras."""


@register
class AlgebraSeparableConv2D(LegacyKernelMixin, SeparableConvolutionBody, Layer, rank=2):
    """`keras_phase.AlgebraSeparableConv2D` for tf_keras."""


@register
class FromAlgebra(LegacyMixin, FromAlgebraBody, Layer):
    """`keras_phase.FromAlgebra` for tf_keras."""


@register
class Modulus(LegacyMixin, ModulusBody, Layer):
    """`keras_phase.Modulus` for tf_keras."""


@register
class PhaseConv1D(LegacyKernelMixin, PhaseConvolutionBody, Layer, rank=1):
    """`keras_phase.PhaseConv1D` for tf_keras."""


@register
class PhaseConv2D(LegacyKernelMixin, PhaseConvolutionBody, Layer, rank=2):
    """`keras_phase.PhaseConv2D` for tf_keras."""


@register
class PhaseConv3D(LegacyKernelMixin, PhaseConvolutionBody, Layer, rank=3):
    """`keras_phase.PhaseConv3D` for tf_keras."""


@register
class PhaseDense(LegacyKernelMixin, PhaseDenseBody, Layer):
    """`keras_phase.PhaseDense` for tf_keras."""


@register
class PhaseEncode(LegacyMixin, PhaseEncodeBody, Layer):
    """`keras_phase.PhaseEncode` for tf_keras."""


@register
class ToAlgebra(LegacyMixin, ToAlgebraBody, Layer):
    """`keras_phase.ToAlgebra` for tf_keras."""
