"""Named starting values of eigenvalues and eigenvectors: those of the papers' code.

Each name stands for one initializer for each role, so `Spectral(in_initializer="optimized_uniform",
out_initializer="optimized_uniform")` starts as the authors' networks do. Keras's own names,
objects and configs work too.
"""

from typing import Any

import keras
from keras import initializers

from .. import initializers as algebra_initializers
from ..registry import Registry

_Uniform, _Normal = initializers.RandomUniform, initializers.RandomNormal

# From a name to (input eigenvalues, output eigenvalues, eigenvectors), each made anew for every
# use, since an initializer object repeats its numbers.
SCHEMES = Registry("spectral initializer")
# Chicchi et al. 2021.
SCHEMES.add(
    "optimized_uniform",
    {
        "in": lambda: _Uniform(-0.97, 0.97),
        "out": lambda: _Uniform(-0.13, 0.13),
        "vectors": lambda: _Normal(0.0, 0.036),
    },
)
# Giambagli et al. 2021.
SCHEMES.add(
    "half_uniform",
    {
        "in": lambda: _Uniform(-0.5, 0.5),
        "out": lambda: _Uniform(-0.5, 0.5),
        "vectors": lambda: initializers.GlorotUniform(),
    },
)
# Buffoni et al. 2022.
SCHEMES.add(
    "pruning_uniform",
    {
        "in": lambda: _Uniform(-0.5, 0.5),
        "out": lambda: _Uniform(-0.5, 0.5),
        "vectors": lambda: _Uniform(-0.2, 0.2),
    },
)
# SpectralTools, and the full form of S-SVD.
SCHEMES.add(
    "receiving",
    {
        "in": initializers.Zeros,
        "out": initializers.Ones,
        "vectors": lambda: initializers.GlorotUniform(),
    },
)
# QR with sparse kernels: the kernel starts as the eigenvectors.
SCHEMES.add(
    "direct",
    {
        "in": initializers.Ones,
        "out": initializers.Zeros,
        "vectors": lambda: initializers.GlorotUniform(),
    },
)


def get(identifier: Any, role: str) -> Any:
    """The initializer of that name for a role, or what Keras makes of the identifier.

    Args:
        identifier: a name of `SCHEMES`, a Keras name, a config, a callable or None.
        role: `"in"`, `"out"` (eigenvalues) or `"vectors"`.

    Example:

    >>> get("optimized_uniform", "out").maxval
    0.13
    """
    if identifier in SCHEMES:
        return SCHEMES.get(identifier)[role]()
    if role == "vectors":
        return algebra_initializers.get(identifier)
    return keras.initializers.get(identifier)


def checked(identifier: Any, role: str) -> Any:
    """What to keep of an argument: a name stays one, so that every use draws other numbers.

    Raises:
        ValueError: if the name is unknown.
    """
    found = get(identifier, role)
    return identifier if isinstance(identifier, str) else found


def serialize(identifier: Any) -> Any:
    """What `get` reads back; names stay names."""
    if identifier is None or isinstance(identifier, str):
        return identifier
    return keras.initializers.serialize(identifier)
