"""Keras layers over complex numbers, quaternions and other algebras, and pruning by phase.

Layers, callbacks, schedules, initializers and constraints are at the top
(`keras_phase.PhaseDense`); functions stay in their modules (`keras_phase.pruning.prune`).
"""

import importlib

from . import activations as activations
from . import algebras as algebras
from . import constraints as constraints
from . import initializers as initializers
from . import layers as layers
from . import ops as ops
from . import parametrizations as parametrizations
from .layers import *

__version__ = "0.1.0"
