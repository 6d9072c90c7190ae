"""How the mean squares of activations go through the layers of an algebra.

Weights of mean 0 and independent components, component i of variance `scale / fan * v_i`, turn the
matrix `M` of second moments of an element's components, `M[j, k] = mean(x_j x_k)`, into

    M'  =  scale sum_i v_i L_i^T M L_i,      L_i[j, k] = C[i, j, k],

and a non-linearity that halves every mean square takes back a `scale` of 2. So with a matching
scale the mean squares after any number of layers follow from the table alone. Two cases:

* `sum_i L_i^T L_i = g 1`, all components have the same gain: equal variances `1/g` keep every
  component as it is, at any depth. So it is in the real, complex and split-complex numbers,
  quaternions, octonions, matrix algebras, Clifford algebras with r = 0, the cross product.
* There are *nilpotent* basis elements (dual numbers, Clifford with r > 0). They get from the others
  and give nothing back: with equal variances the others fade as `(2/3)^layers` in the dual numbers,
  and if those are kept, the nilpotent ones grow with every layer, in whatever proportion. The law:
  the others, the *body*, are drawn as if alone, so that they keep their mean square at any depth;
  the variance of nilpotent components is the share of it with which none of them grows by more
  than a fifth in `depth` layers. It is not 0, or a network whose input is all body would never
  leave it.
"""

import functools

import numpy as np

from ..algebras import Algebra
from ..algebras.factorization import read_only

DEPTH = 20
_LARGEST_GROWTH = 1.2
_BISECTIONS = 25
_POWER_STEPS = 200


def nilpotent_components(algebra: Algebra) -> np.ndarray:
    """`(d,)` booleans: whether basis element i lies in the kernel of `tr(L_a L_b)`.

    In an associative algebra that kernel is the radical, its largest nilpotent ideal.

    Example:

    >>> from keras_phase import algebras
    >>> nilpotent_components(algebras.clifford(1, 0, 1)).tolist()  # 1, e1, e2, e12 with e2 e2 = 0
    [False, False, True, True]
    """
    table = algebra.structure_constants
    return ~np.tensordot(table, table, axes=((1, 2), (2, 1))).any(axis=1)


def component_variances(algebra: Algebra, depth: int = DEPTH) -> np.ndarray:
    """`(d,)`, variance of each component of a weight, for `scale` 1 and a fan of 1.

    Args:
        algebra: an `Algebra`.
        depth: number of layers in which no nilpotent component may grow by more than a fifth.

    Raises:
        ValueError: if every product of the algebra is 0.

    Example:

    >>> from keras_phase import algebras
    >>> component_variances(algebras.get("quaternion")).tolist()
    [0.25, 0.25, 0.25, 0.25]
    >>> component_variances(algebras.get("dual"), depth=20).round(6).tolist()
    [1.0, 0.01]
    """
    return component_shares(algebra, depth) / gain(algebra)


def mean_squares(algebra: Algebra, depth: int = DEPTH) -> np.ndarray:
    """`(depth + 1, d)`, mean square of each component after 0, 1, ... layers, by the law above.

    The input has independent components of mean square 1; the layers are drawn for this depth.
    Exact on average over the weights, at every width, for layers without bias and non-linearity;
    with split ReLU and twice the variance, too, where each product of basis elements is a multiple
    of one basis element.

    Example:

    >>> from keras_phase import algebras
    >>> mean_squares(algebras.get("dual"), depth=5)[[0, 1, 5]].round(6).tolist()
    [[1.0, 1.0], [1.0, 1.04], [1.0, 1.2]]
    """
    return _follow(algebra, component_variances(algebra, depth), depth)


@functools.lru_cache(maxsize=64)
def gain(algebra: Algebra) -> float:
    """Factor of the mean square in one layer, for weights whose body has variance `1 / fan`.

    Where the gains of the components are equal it is their common value: complex 2, quaternion 4,
    n x n matrices n, cross product 2. Otherwise it is what the factor tends to through depth, or
    their mean in an algebra all of whose elements are nilpotent: there no chain of layers survives.
    """
    if not algebra.structure_constants.any():
        raise ValueError(
            "Every product of the algebra is 0, so no variance of the weights gives its layers an "
            f"output. Received: algebra='{algebra.name}'"
        )
    body = ~nilpotent_components(algebra)
    if not body.any():
        return float(np.mean(algebra.component_gains))
    moments = np.eye(algebra.dimension)
    factors = []
    for _ in range(_POWER_STEPS):
        after = _layer(algebra, body.astype("float64"), moments)
        if np.array_equal(after, after[0, 0] * moments):
            return float(after[0, 0])
        factors.append(np.trace(after) / np.trace(moments))
        moments = after / np.trace(after)
    return float(np.exp(np.mean(np.log(factors[_POWER_STEPS // 2 :]))))


@functools.lru_cache(maxsize=64)
def component_shares(algebra: Algebra, depth: int = DEPTH) -> np.ndarray:
    """`(d,)`: 1 for the body, for nilpotent components their share of its variance."""
    nilpotent = nilpotent_components(algebra)
    if nilpotent.all() or not nilpotent.any():
        return read_only(np.ones(algebra.dimension))

    def shares(share: float) -> np.ndarray:
        return np.where(nilpotent, share, 1.0)

    def largest(share: float) -> float:
        return _follow(algebra, shares(share) / gain(algebra), depth)[-1].max()

    low, high, limit = 0.0, 1.0, _LARGEST_GROWTH * largest(0.0)
    if largest(high) <= limit:
        return read_only(shares(high))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if largest(middle) <= limit else (low, middle)
    return read_only(shares(low))


def _follow(algebra: Algebra, variances: np.ndarray, depth: int) -> np.ndarray:
    moments = np.eye(algebra.dimension)
    rows = [np.diag(moments)]
    for _ in range(depth):
        moments = _layer(algebra, variances, moments)
        rows.append(np.diag(moments))
    return np.stack(rows)


def _layer(algebra: Algebra, variances: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """`sum_i v_i L_i^T M L_i`."""
    left = algebra.structure_constants.astype("float64")
    return np.tensordot(variances, left.swapaxes(1, 2) @ moments @ left, axes=1)
