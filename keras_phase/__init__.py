"""Keras layers over complex numbers, quaternions and other algebras, and pruning by phase.

Layers, losses, metrics, callbacks, schedules, initializers and constraints are at the top, as in
`keras_phase.PhaseDense`; functions stay in their modules, as in `keras_phase.pruning.prune`, but
for `quantize_phases`.
"""

from . import activations as activations
from . import algebras as algebras
from . import compress as compress
from . import constraints as constraints
from . import export as export
from . import initializers as initializers
from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import migrate as migrate
from . import models as models
from . import multiplications as multiplications
from . import ops as ops
from . import parametrizations as parametrizations
from . import plots as plots
from . import pruning as pruning
from . import quantize as quantize
from . import summary as summary
from . import wavelets as wavelets
from .constraints import NearestUnitary as NearestUnitary
from .constraints import Parseval as Parseval
from .constraints import PhaseQuantized as PhaseQuantized
from .constraints import Sign as Sign
from .constraints import UnitModulus as UnitModulus
from .initializers import AlgebraGlorotNormal as AlgebraGlorotNormal
from .initializers import AlgebraGlorotUniform as AlgebraGlorotUniform
from .initializers import AlgebraHeNormal as AlgebraHeNormal
from .initializers import AlgebraHeUniform as AlgebraHeUniform
from .initializers import AlgebraLecunNormal as AlgebraLecunNormal
from .initializers import AlgebraLecunUniform as AlgebraLecunUniform
from .initializers import AlgebraVarianceScaling as AlgebraVarianceScaling
from .initializers import PolarRayleigh as PolarRayleigh
from .initializers import RandomPhase as RandomPhase
from .initializers import Unitary as Unitary
from .layers import AlgebraActivation as AlgebraActivation
from .layers import AlgebraBatchNormalization as AlgebraBatchNormalization
from .layers import AlgebraConcatenate as AlgebraConcatenate
from .layers import AlgebraConv1D as AlgebraConv1D
from .layers import AlgebraConv1DTranspose as AlgebraConv1DTranspose
from .layers import AlgebraConv2D as AlgebraConv2D
from .layers import AlgebraConv2DTranspose as AlgebraConv2DTranspose
from .layers import AlgebraConv3D as AlgebraConv3D
from .layers import AlgebraConv3DTranspose as AlgebraConv3DTranspose
from .layers import AlgebraDense as AlgebraDense
from .layers import AlgebraDepthwiseConv1D as AlgebraDepthwiseConv1D
from .layers import AlgebraDepthwiseConv2D as AlgebraDepthwiseConv2D
from .layers import AlgebraDropout as AlgebraDropout
from .layers import AlgebraEmbedding as AlgebraEmbedding
from .layers import AlgebraFlatten as AlgebraFlatten
from .layers import AlgebraGroupNormalization as AlgebraGroupNormalization
from .layers import AlgebraGRU as AlgebraGRU
from .layers import AlgebraGRUCell as AlgebraGRUCell
from .layers import AlgebraLayerNormalization as AlgebraLayerNormalization
from .layers import AlgebraLSTM as AlgebraLSTM
from .layers import AlgebraLSTMCell as AlgebraLSTMCell
from .layers import AlgebraMultiHeadAttention as AlgebraMultiHeadAttention
from .layers import AlgebraReshape as AlgebraReshape
from .layers import AlgebraRMSNormalization as AlgebraRMSNormalization
from .layers import AlgebraSeparableConv1D as AlgebraSeparableConv1D
from .layers import AlgebraSeparableConv2D as AlgebraSeparableConv2D
from .layers import AlgebraSimpleRNN as AlgebraSimpleRNN
from .layers import AlgebraSimpleRNNCell as AlgebraSimpleRNNCell
from .layers import AlgebraSpatialDropout1D as AlgebraSpatialDropout1D
from .layers import AlgebraSpatialDropout2D as AlgebraSpatialDropout2D
from .layers import AlgebraSpatialDropout3D as AlgebraSpatialDropout3D
from .layers import ChannelNormalization as ChannelNormalization
from .layers import ComplexStandardization as ComplexStandardization
from .layers import FromAlgebra as FromAlgebra
from .layers import InverseWaveletTransform1D as InverseWaveletTransform1D
from .layers import InverseWaveletTransform2D as InverseWaveletTransform2D
from .layers import Modulus as Modulus
from .layers import ModulusMaxPooling1D as ModulusMaxPooling1D
from .layers import ModulusMaxPooling2D as ModulusMaxPooling2D
from .layers import ModulusMaxPooling3D as ModulusMaxPooling3D
from .layers import PhaseCodedDense as PhaseCodedDense
from .layers import PhaseCollapse as PhaseCollapse
from .layers import PhaseConv1D as PhaseConv1D
from .layers import PhaseConv2D as PhaseConv2D
from .layers import PhaseConv3D as PhaseConv3D
from .layers import PhaseDense as PhaseDense
from .layers import PhaseEncode as PhaseEncode
from .layers import RotaryPhaseEncoding as RotaryPhaseEncoding
from .layers import Scattering1D as Scattering1D
from .layers import Scattering2D as Scattering2D
from .layers import SpectralConv1D as SpectralConv1D
from .layers import SpectralConv2D as SpectralConv2D
from .layers import SpectralConv3D as SpectralConv3D
from .layers import SpectralDense as SpectralDense
from .layers import ToAlgebra as ToAlgebra
from .layers import WaveletModulus1D as WaveletModulus1D
from .layers import WaveletModulus2D as WaveletModulus2D
from .layers import WaveletTransform1D as WaveletTransform1D
from .layers import WaveletTransform2D as WaveletTransform2D
from .losses import AlgebraCosineSimilarity as AlgebraCosineSimilarity
from .losses import AlgebraMeanSquaredError as AlgebraMeanSquaredError
from .losses import CoherenceLoss as CoherenceLoss
from .losses import PhaseError as PhaseError
from .metrics import Coherence as Coherence
from .metrics import MeanCoherence as MeanCoherence
from .metrics import MeanCosineSimilarity as MeanCosineSimilarity
from .metrics import MeanSquaredModulusError as MeanSquaredModulusError
from .metrics import PhaseMeanAbsoluteError as PhaseMeanAbsoluteError
from .metrics import RootMeanSquaredModulusError as RootMeanSquaredModulusError
from .pruning import ConstantSparsity as ConstantSparsity
from .pruning import CosineSparsity as CosineSparsity
from .pruning import CubicSparsity as CubicSparsity
from .pruning import EigenvalueHistory as EigenvalueHistory
from .pruning import PhaseConstantSparsity as PhaseConstantSparsity
from .pruning import PhasePolynomialDecay as PhasePolynomialDecay
from .pruning import PhaseProbe as PhaseProbe
from .pruning import PolynomialDecay as PolynomialDecay
from .pruning import PruneLowMagnitude as PruneLowMagnitude
from .pruning import PruningCallback as PruningCallback
from .pruning import PruningSummaries as PruningSummaries
from .pruning import SignConstantSparsity as SignConstantSparsity
from .pruning import SignPolynomialDecay as SignPolynomialDecay
from .pruning import UpdatePruningStep as UpdatePruningStep
from .quantize import quantize_phases as quantize_phases

__version__ = "0.1.0"

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
    "AlgebraCosineSimilarity",
    "AlgebraDense",
    "AlgebraDepthwiseConv1D",
    "AlgebraDepthwiseConv2D",
    "AlgebraDropout",
    "AlgebraEmbedding",
    "AlgebraFlatten",
    "AlgebraGRU",
    "AlgebraGRUCell",
    "AlgebraGlorotNormal",
    "AlgebraGlorotUniform",
    "AlgebraGroupNormalization",
    "AlgebraHeNormal",
    "AlgebraHeUniform",
    "AlgebraLSTM",
    "AlgebraLSTMCell",
    "AlgebraLayerNormalization",
    "AlgebraLecunNormal",
    "AlgebraLecunUniform",
    "AlgebraMeanSquaredError",
    "AlgebraMultiHeadAttention",
    "AlgebraRMSNormalization",
    "AlgebraReshape",
    "AlgebraSeparableConv1D",
    "AlgebraSeparableConv2D",
    "AlgebraSimpleRNN",
    "AlgebraSimpleRNNCell",
    "AlgebraSpatialDropout1D",
    "AlgebraSpatialDropout2D",
    "AlgebraSpatialDropout3D",
    "AlgebraVarianceScaling",
    "ChannelNormalization",
    "Coherence",
    "CoherenceLoss",
    "ComplexStandardization",
    "ConstantSparsity",
    "CosineSparsity",
    "CubicSparsity",
    "EigenvalueHistory",
    "FromAlgebra",
    "InverseWaveletTransform1D",
    "InverseWaveletTransform2D",
    "MeanCoherence",
    "MeanCosineSimilarity",
    "MeanSquaredModulusError",
    "Modulus",
    "ModulusMaxPooling1D",
    "ModulusMaxPooling2D",
    "ModulusMaxPooling3D",
    "NearestUnitary",
    "Parseval",
    "PhaseCodedDense",
    "PhaseCollapse",
    "PhaseConstantSparsity",
    "PhaseConv1D",
    "PhaseConv2D",
    "PhaseConv3D",
    "PhaseDense",
    "PhaseEncode",
    "PhaseError",
    "PhaseMeanAbsoluteError",
    "PhasePolynomialDecay",
    "PhaseProbe",
    "PhaseQuantized",
    "PolarRayleigh",
    "PolynomialDecay",
    "PruneLowMagnitude",
    "PruningCallback",
    "PruningSummaries",
    "RandomPhase",
    "RootMeanSquaredModulusError",
    "RotaryPhaseEncoding",
    "Scattering1D",
    "Scattering2D",
    "Sign",
    "SignConstantSparsity",
    "SignPolynomialDecay",
    "SpectralConv1D",
    "SpectralConv2D",
    "SpectralConv3D",
    "SpectralDense",
    "ToAlgebra",
    "UnitModulus",
    "Unitary",
    "UpdatePruningStep",
    "WaveletModulus1D",
    "WaveletModulus2D",
    "WaveletTransform1D",
    "WaveletTransform2D",
    "__version__",
    "activations",
    "algebras",
    "compress",
    "constraints",
    "export",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "migrate",
    "models",
    "multiplications",
    "ops",
    "parametrizations",
    "plots",
    "pruning",
    "quantize",
    "quantize_phases",
    "summary",
    "wavelets",
]
