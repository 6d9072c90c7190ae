"""Twins of the layers of `keras_phase.layers`: the same bodies on another base."""

from tf_keras.layers import Layer

from ..layers.activation import ActivationBody
from ..layers.batch_normalization import BatchNormalizationBody
from ..layers.conversion import FromAlgebraBody, ModulusBody, PhaseEncodeBody, ToAlgebraBody
from ..layers.convolution import ConvolutionBody
from ..layers.convolution_transpose import ConvolutionTransposeBody
from ..layers.dense import DenseBody, PhaseDenseBody
from ..layers.depthwise_convolution import DepthwiseConvolutionBody
from ..layers.dropout import DropoutBody
from ..layers.embedding import EmbeddingBody
from ..layers.group_normalization import GroupNormalizationBody
from ..layers.inverse_wavelet import InverseWaveletTransformBody
from ..layers.layer_normalization import LayerNormalizationBody, RMSNormalizationBody
from ..layers.phase_coded import PhaseCodedDenseBody
from ..layers.phase_collapse import ChannelNormalizationBody, PhaseCollapseBody, StandardizationBody
from ..layers.phase_convolution import PhaseConvolutionBody
from ..layers.pooling import (
    ModulusMaxPooling1DBody,
    ModulusMaxPooling2DBody,
    ModulusMaxPooling3DBody,
)
from ..layers.reshaping import ConcatenateBody, FlattenBody, ReshapeBody
from ..layers.scattering import Scattering1DBody, Scattering2DBody
from ..layers.separable_convolution import SeparableConvolutionBody
from ..layers.spatial_dropout import (
    SpatialDropout1DBody,
    SpatialDropout2DBody,
    SpatialDropout3DBody,
)
from ..layers.spectral import SpectralDenseBody
from ..layers.spectral_convolution import SpectralConvolutionBody
from ..layers.wavelet import WaveletModulusBody, WaveletTransformBody
from .base import LegacyKernelMixin, LegacyMixin, register

__all__ = [
    "AlgebraActivation",
    "AlgebraBatchNormalization",
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
    "AlgebraDropout",
    "AlgebraEmbedding",
    "AlgebraFlatten",
    "AlgebraGroupNormalization",
    "AlgebraLayerNormalization",
    "AlgebraRMSNormalization",
    "AlgebraReshape",
    "AlgebraSeparableConv1D",
    "AlgebraSeparableConv2D",
    "AlgebraSpatialDropout1D",
    "AlgebraSpatialDropout2D",
    "AlgebraSpatialDropout3D",
    "ChannelNormalization",
    "ComplexStandardization",
    "FromAlgebra",
    "InverseWaveletTransform1D",
    "InverseWaveletTransform2D",
    "Modulus",
    "ModulusMaxPooling1D",
    "ModulusMaxPooling2D",
    "ModulusMaxPooling3D",
    "PhaseCodedDense",
    "PhaseCollapse",
    "PhaseConv1D",
    "PhaseConv2D",
    "PhaseConv3D",
    "PhaseDense",
    "PhaseEncode",
    "Scattering1D",
    "Scattering2D",
    "SpectralConv1D",
    "SpectralConv2D",
    "SpectralConv3D",
    "SpectralDense",
    "ToAlgebra",
    "WaveletModulus1D",
    "WaveletModulus2D",
    "WaveletTransform1D",
    "WaveletTransform2D",
]


@register
class AlgebraActivation(LegacyMixin, ActivationBody, Layer):
    """`keras_phase.AlgebraActivation` for tf_keras."""


@register
class AlgebraBatchNormalization(LegacyMixin, BatchNormalizationBody, Layer):
    """`keras_phase.AlgebraBatchNormalization` for tf_keras."""


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
class AlgebraDropout(LegacyMixin, DropoutBody, Layer):
    """`keras_phase.AlgebraDropout` for tf_keras."""


@register
class AlgebraEmbedding(LegacyKernelMixin, EmbeddingBody, Layer):
    """`keras_phase.AlgebraEmbedding` for tf_keras."""


@register
class AlgebraFlatten(LegacyMixin, FlattenBody, Layer):
    """`keras_phase.AlgebraFlatten` for tf_keras."""


@register
class AlgebraGroupNormalization(LegacyMixin, GroupNormalizationBody, Layer):
    """`keras_phase.AlgebraGroupNormalization` for tf_keras."""


@register
class AlgebraLayerNormalization(LegacyMixin, LayerNormalizationBody, Layer):
    """`keras_phase.AlgebraLayerNormalization` for tf_keras."""


@register
class AlgebraRMSNormalization(LegacyMixin, RMSNormalizationBody, Layer):
    """`keras_phase.AlgebraRMSNormalization` for tf_keras."""


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
class AlgebraSpatialDropout1D(LegacyMixin, SpatialDropout1DBody, Layer):
    """`keras_phase.AlgebraSpatialDropout1D` for tf_keras."""


@register
class AlgebraSpatialDropout2D(LegacyMixin, SpatialDropout2DBody, Layer):
    """`keras_phase.AlgebraSpatialDropout2D` for tf_keras."""


@register
class AlgebraSpatialDropout3D(LegacyMixin, SpatialDropout3DBody, Layer):
    """`keras_phase.AlgebraSpatialDropout3D` for tf_keras."""


@register
class ChannelNormalization(LegacyMixin, ChannelNormalizationBody, Layer):
    """`keras_phase.ChannelNormalization` for tf_keras."""


@register
class ComplexStandardization(LegacyMixin, StandardizationBody, Layer):
    """`keras_phase.ComplexStandardization` for tf_keras."""


@register
class FromAlgebra(LegacyMixin, FromAlgebraBody, Layer):
    """`keras_phase.FromAlgebra` for tf_keras."""


@register
class InverseWaveletTransform1D(LegacyMixin, InverseWaveletTransformBody, Layer, rank=1):
    """`keras_phase.InverseWaveletTransform1D` for tf_keras."""


@register
class InverseWaveletTransform2D(LegacyMixin, InverseWaveletTransformBody, Layer, rank=2):
    """`keras_phase.InverseWaveletTransform2D` for tf_keras."""


@register
class Modulus(LegacyMixin, ModulusBody, Layer):
    """`keras_phase.Modulus` for tf_keras."""


@register
class ModulusMaxPooling1D(LegacyMixin, ModulusMaxPooling1DBody, Layer):
    """`keras_phase.ModulusMaxPooling1D` for tf_keras."""


@register
class ModulusMaxPooling2D(LegacyMixin, ModulusMaxPooling2DBody, Layer):
    """`keras_phase.ModulusMaxPooling2D` for tf_keras."""


@register
class ModulusMaxPooling3D(LegacyMixin, ModulusMaxPooling3DBody, Layer):
    """`keras_phase.ModulusMaxPooling3D` for tf_keras."""


@register
class PhaseCodedDense(LegacyMixin, PhaseCodedDenseBody, Layer):
    """`keras_phase.PhaseCodedDense` for tf_keras."""


@register
class PhaseCollapse(LegacyMixin, PhaseCollapseBody, Layer):
    """`keras_phase.PhaseCollapse` for tf_keras."""


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
class Scattering1D(LegacyMixin, Scattering1DBody, Layer):
    """`keras_phase.Scattering1D` for tf_keras."""


@register
class Scattering2D(LegacyMixin, Scattering2DBody, Layer):
    """`keras_phase.Scattering2D` for tf_keras."""


@register
class SpectralConv1D(LegacyKernelMixin, SpectralConvolutionBody, Layer, rank=1):
    """`keras_phase.SpectralConv1D` for tf_keras."""


@register
class SpectralConv2D(LegacyKernelMixin, SpectralConvolutionBody, Layer, rank=2):
    """`keras_phase.SpectralConv2D` for tf_keras."""


@register
class SpectralConv3D(LegacyKernelMixin, SpectralConvolutionBody, Layer, rank=3):
    """`keras_phase.SpectralConv3D` for tf_keras."""


@register
class SpectralDense(LegacyKernelMixin, SpectralDenseBody, Layer):
    """`keras_phase.SpectralDense` for tf_keras."""


@register
class ToAlgebra(LegacyMixin, ToAlgebraBody, Layer):
    """`keras_phase.ToAlgebra` for tf_keras."""


@register
class WaveletModulus1D(LegacyMixin, WaveletModulusBody, Layer, rank=1):
    """`keras_phase.WaveletModulus1D` for tf_keras."""


@register
class WaveletModulus2D(LegacyMixin, WaveletModulusBody, Layer, rank=2):
    """`keras_phase.WaveletModulus2D` for tf_keras."""


@register
class WaveletTransform1D(LegacyMixin, WaveletTransformBody, Layer, rank=1):
    """`keras_phase.WaveletTransform1D` for tf_keras."""


@register
class WaveletTransform2D(LegacyMixin, WaveletTransformBody, Layer, rank=2):
    """`keras_phase.WaveletTransform2D` for tf_keras."""
