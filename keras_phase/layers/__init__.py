"""Keras layers over an algebra; one family a file."""

from .activation import AlgebraActivation as AlgebraActivation
from .conversion import FromAlgebra as FromAlgebra
from .conversion import Modulus as Modulus
from .conversion import PhaseEncode as PhaseEncode
from .conversion import ToAlgebra as ToAlgebra
from .dense import AlgebraDense as AlgebraDense
from .dense import PhaseDense as PhaseDense
from .dropout import AlgebraDropout as AlgebraDropout
from .reshaping import AlgebraConcatenate as AlgebraConcatenate
from .reshaping import AlgebraFlatten as AlgebraFlatten
from .reshaping import AlgebraReshape as AlgebraReshape
