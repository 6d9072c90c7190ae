"""Stateless functions on tensors, on any Keras backend."""

from .dispatch import matmul as matmul
from .modulus import direction as direction
from .modulus import from_polar as from_polar
from .modulus import modulus as modulus
from .modulus import phase as phase
from .modulus import polar as polar
from .product import conjugate as conjugate
from .product import expand_kernel as expand_kernel
from .product import multiply as multiply
