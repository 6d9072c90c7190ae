"""Keras layers over complex numbers, quaternions and other algebras, and pruning by phase.

Layers, callbacks, schedules, initializers and constraints are at the top, as in
`keras_phase.PhaseDense`; functions stay in their modules, as in `keras_phase.pruning.prune`.
"""

from . import activations as activations
from . import algebras as algebras
from . import constraints as constraints
from . import export as export
from . import initializers as initializers
from . import layers as layers
from . import ops as ops
from . import parametrizations as parametrizations
from . import plots as plots
from . import pruning as pruning
from . import summary as summary
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
from .layers import AlgebraConcatenate as AlgebraConcatenate
from .layers import AlgebraDense as AlgebraDense
from .layers import AlgebraDropout as AlgebraDropout
from .layers import AlgebraFlatten as AlgebraFlatten
from .layers import AlgebraReshape as AlgebraReshape
from .layers import FromAlgebra as FromAlgebra
from .layers import Modulus as Modulus
from .layers import PhaseDense as PhaseDense
from .layers import PhaseEncode as PhaseEncode
from .layers import ToAlgebra as ToAlgebra
from .pruning import ConstantSparsity as ConstantSparsity
from .pruning import PhaseConstantSparsity as PhaseConstantSparsity
from .pruning import PhasePolynomialDecay as PhasePolynomialDecay
from .pruning import PhaseProbe as PhaseProbe
from .pruning import PolynomialDecay as PolynomialDecay
from .pruning import PruningCallback as PruningCallback
from .pruning import SignConstantSparsity as SignConstantSparsity
from .pruning import SignPolynomialDecay as SignPolynomialDecay

__version__ = "0.1.0"

__all__ = [
    "AlgebraActivation",
    "AlgebraConcatenate",
    "AlgebraDense",
    "AlgebraDropout",
    "AlgebraFlatten",
    "AlgebraGlorotNormal",
    "AlgebraGlorotUniform",
    "AlgebraHeNormal",
    "AlgebraHeUniform",
    "AlgebraLecunNormal",
    "AlgebraLecunUniform",
    "AlgebraReshape",
    "AlgebraVarianceScaling",
    "ConstantSparsity",
    "FromAlgebra",
    "Modulus",
    "PhaseConstantSparsity",
    "PhaseDense",
    "PhaseEncode",
    "PhasePolynomialDecay",
    "PhaseProbe",
    "PhaseQuantized",
    "PolarRayleigh",
    "PolynomialDecay",
    "PruningCallback",
    "RandomPhase",
    "Sign",
    "SignConstantSparsity",
    "SignPolynomialDecay",
    "ToAlgebra",
    "UnitModulus",
    "Unitary",
    "__version__",
    "activations",
    "algebras",
    "constraints",
    "export",
    "initializers",
    "layers",
    "ops",
    "parametrizations",
    "plots",
    "pruning",
    "summary",
]
