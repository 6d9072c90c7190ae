"""Pruning criteria: what is pruned first, and what a pruned weight becomes.

A criterion is named by what is *kept*, except magnitude and random. It sees a kernel
`w = (d, *shape)`, components first, and is two functions:

* a score for every element, `(1, *shape)`; the lowest are pruned first. It is taken on the host, of
  a NumPy array, where a framework's operations would each cost more than their arithmetic;
* a projection, which puts the pruned value where elements are pruned. It runs after every
  optimizer step, inside the train step, so it is written in few and cheap operations.

| criterion | pruned first | pruned value |
|---|---|---|
| magnitude | smallest modulus | 0 |
| phase (sign when d = 1) | modulus nearest the scale, in log ratio | scale * w / modulus(w) |
| amplitude | smallest angle to the first basis element | modulus(w) times that element |
| real, imaginary (d = 2), first, rest | smallest part that is dropped | that part set to 0 |
| random | as a pure function of (seed, path, index of the update) | 0 |
| eigenvalue | node of the smallest eigenvalue (`nodes.node_scores`); with granularity "node" | 0 |
| determinant | smallest determinant, or else norm of the algebra, in absolute value | 0 |

A score measures the change, so it is 0 for an element that is already 0: such an element is pruned
early, and what is pruned while it is 0 stays 0 under every criterion.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from ..algebras import Algebra, MatrixForm
from ..ops import native
from ..ops.modulus import in_float32, modulus_axis, modulus_of_array
from ..parametrizations import Parametrization
from ..registry import Registry

Tensor = Any


@dataclass(frozen=True)
class Site:
    """What a score may depend on besides the kernel's value.

    Attributes:
        scale: mean modulus of the non-zero elements, `(1, ..., 1)` or `(1, ..., 1, out)`; None for
            a criterion that is not `scaled`.
        noise: returns uniform random numbers in [0, 1), `(1, *shape)`: always the same ones for
            one seed, one weight and one mask update.
        parametrization: the weight's, for scores of what lies behind the kernel.
        update: number of mask updates made before.
    """

    scale: np.ndarray | None
    noise: Callable[[], np.ndarray]
    parametrization: Parametrization
    update: int = 0


def to_zero(w: Tensor, keep: Tensor, gain: Tensor | None = None) -> Tensor:
    """Projection of the criteria that remove weights."""
    return w * keep


def to_direction(w: Tensor, keep: Tensor, gain: Tensor) -> Tensor:
    """Projection to modulus `gain`."""
    if w.shape[0] == 1:
        return w * keep + gain * ops.sign(w)
    square = ops.sum(ops.square(w), axis=0, keepdims=True)
    # One pass over the components. The bound keeps the factor finite where w is 0.
    factor = ops.rsqrt(ops.maximum(square, np.finfo("float32").tiny))
    return w * (keep + gain * factor)


def to_amplitude(w: Tensor, keep: Tensor, gain: Tensor) -> Tensor:
    """Projection to the modulus times the first basis element."""
    return w * keep + gain * _indicator(w, first=True) * modulus_axis(w, axis=0, keepdims=True)


def to_first(w: Tensor, keep: Tensor, gain: Tensor) -> Tensor:
    """Projection to the first component."""
    return w * (keep + gain * _indicator(w, first=True))


def to_rest(w: Tensor, keep: Tensor, gain: Tensor) -> Tensor:
    """Projection to all components but the first."""
    return w * (keep + gain * _indicator(w, first=False))


@dataclass(frozen=True)
class Criterion:
    """A pruning criterion; see the module's table.

    Attributes:
        name: its name.
        score: `score(w, site)`, the smallest is pruned first: a float32 or float64 array
            `(d, *shape)` to an array or tensor `(1, *shape)`, at least 0, and 0 for an element that
            is 0.
        projection: `projection(w, keep, gain)`: `w` where `keep` is 1 (`gain` is 0 there), the
            pruned value where `keep` is 0 and `gain` is the scale (1 for criteria that are not
            `scaled`), and 0 where both are 0. `keep` is `(1, *shape)` or broadcasts to it.
        scaled: whether the pruned value is proportional to the scale; the score may use it, too.
        dimension: the only dimension of the algebra that it is made for, None for all.
        instead: what to use in an algebra of another dimension.
        by_node: whether it ranks whole nodes, so that it takes granularity "node" only.
        requires: raises `ValueError` for an algebra without what the score is made of; None for a
            criterion of all algebras.
        regrows: whether the score itself says which pruned elements (zeros) come back.
    """

    name: str
    score: Callable[[np.ndarray, Site], Any]
    projection: Callable[[Tensor, Tensor, Tensor], Tensor] = to_zero
    scaled: bool = False
    dimension: int | None = None
    instead: str = ""
    by_node: bool = False
    requires: Callable[[Algebra], Any] | None = None
    regrows: bool = False

    @property
    def removes(self) -> bool:
        """Whether the pruned value is 0."""
        return self.projection is to_zero

    def project(self, w: Tensor, keep: Tensor, gain: Tensor | None = None) -> Tensor:
        """`projection` in a precision that it can work in: float32 for 16-bit weights."""
        return _project(w, keep, gain, self.projection)

    def value(self, w: Tensor, scale: Tensor = 1.0) -> Tensor:
        """The pruned value of every element: `(d, *shape)` to the same shape."""
        w = ops.convert_to_tensor(w)
        return self.project(w, ops.zeros((1,) * len(w.shape), "bool"), ops.convert_to_tensor(scale))

    def check(self, dimension: int, path: str, algebra: Algebra | None = None) -> None:
        """Refuse a weight of an algebra that the criterion is not made for.

        Args:
            dimension: of the elements that are scored; 1 where components are pruned singly.
            path: the weight's.
            algebra: the weight's; None leaves to the score what asks for more than the dimension.

        Raises:
            ValueError: with the criterion to use.
        """
        if self.dimension not in (None, dimension):
            raise ValueError(
                f"The criterion '{self.name}' is made for algebras of dimension {self.dimension}; "
                f"the weight '{path}' has {dimension} real numbers an element. Use {self.instead}, "
                f"or choose other weights with `layers`. Received: criterion='{self.name}'"
            )
        if self.requires is not None and algebra is not None and dimension == algebra.dimension:
            self.requires(algebra)


CRITERIA = Registry("criterion")


def register(name: str, **attributes: Any) -> Callable[[Callable], Criterion]:
    """Decorator that turns a score function into the criterion of that name.

    Args:
        name: how users call it.
        **attributes: of the `Criterion`: its projection (0 if left out), whether it is scaled, ...

    Example:

    >>> get("magnitude").removes, get("phase").removes
    (True, False)
    """
    return lambda score: CRITERIA.add(name, Criterion(name, score, **attributes))


def get(identifier: str | Criterion) -> Criterion:
    """The criterion of that name; a `Criterion` is returned as it is.

    Raises:
        ValueError: if the name is unknown; the message lists the known ones.
    """
    return identifier if isinstance(identifier, Criterion) else CRITERIA.get(identifier)


@register("magnitude")
def magnitude(w: np.ndarray, site: Site) -> np.ndarray:
    """The classical one: small elements are removed."""
    return modulus_of_array(w)


def _distance_to_scale(w: np.ndarray, site: Site) -> np.ndarray:
    modulus = modulus_of_array(w)
    scale = site.scale.astype(modulus.dtype)
    is_zero = (modulus == 0) | (scale == 0)
    return np.abs(np.log(np.where(is_zero, 1, modulus) / np.where(is_zero, 1, scale)))


phase = register("phase", projection=to_direction, scaled=True)(_distance_to_scale)
sign = register(
    "sign", projection=to_direction, scaled=True, dimension=1, instead="'phase', its general form"
)(_distance_to_scale)


@register("amplitude", projection=to_amplitude)
def amplitude(w: np.ndarray, site: Site) -> np.ndarray:
    """Angle to the first basis element, radians in [0, pi]; for d = 1, 0 or pi."""
    return np.where(modulus_of_array(w) == 0, 0, np.arctan2(_rest(w), w[:1]))


def _rest(w: np.ndarray, site: Site | None = None) -> np.ndarray:
    return np.zeros_like(w) if w.shape[0] == 1 else modulus_of_array(w[1:])


def _first(w: np.ndarray, site: Site) -> np.ndarray:
    return np.abs(w[:1])


_COMPLEX = {"dimension": 2, "instead": "'first' or 'rest', their general forms"}
real = register("real", projection=to_first, **_COMPLEX)(_rest)
imaginary = register("imaginary", projection=to_rest, **_COMPLEX)(_first)
first = register("first", projection=to_first)(_rest)
rest = register("rest", projection=to_rest)(_first)


@register("random")
def random(w: np.ndarray, site: Site) -> np.ndarray:
    """Other elements at every mask update, the same ones in every run."""
    return site.noise()


@register("eigenvalue", by_node=True)
def eigenvalue(w: Tensor, site: Site) -> Tensor:
    """Whole nodes of spectral layers; `pruning.nodes` says how they are ranked."""
    p = site.parametrization
    if not hasattr(p, "node_scores"):
        raise ValueError(
            f"The weight '{p.path}' has no eigenvalues to rank its nodes by: it is not spectral. "
            "Use the criterion 'magnitude' with granularity='node', or choose the spectral layers "
            f"with `layers`. Received: criterion='eigenvalue', {type(p).__name__} kernel"
        )
    scores = ops.cast(ops.convert_to_tensor(p.node_scores()), w.dtype)
    return ops.broadcast_to(scores, (1, *w.shape[1:]))


@functools.lru_cache(maxsize=64)
def _norm_form(algebra: Algebra) -> np.ndarray | None:
    """`(d, d)` with `norm(a) = a form a`, multiplicative; None where determinants serve.

    Raises:
        ValueError: if the algebra has neither.
    """
    if algebra.matrix is not None and algebra.is_associative and algebra.is_unital:
        return None
    table, one = algebra.structure_constants.astype("float64"), algebra.unit
    if one is not None and algebra.conjugation is not None:
        conjugation = algebra.conjugation_matrix
        form = np.einsum("imk,jm,k->ij", table, conjugation, one) / (one @ one)
        form = (form + form.T) / 2
        # norm(a b) = norm(a) norm(b) for all a and b: the parts symmetric in i, j and in p, q.
        of_product = np.einsum("ipk,kl,jql->ijpq", table, form, table, optimize=True)
        difference = of_product - np.multiply.outer(form, form)
        difference = difference + difference.swapaxes(0, 1)
        if np.allclose(difference + difference.swapaxes(2, 3), 0, atol=1e-9):
            return form
    raise ValueError(
        "The criterion 'determinant' takes the determinant of matrices, or else the "
        "multiplicative norm that an algebra has by its unit and conjugation; the algebra "
        f"'{algebra.name}' has neither. Use 'magnitude', or choose other weights with `layers`. "
        f"Received: criterion='determinant', algebra='{algebra.name}'"
    )


@register("determinant", requires=_norm_form)
def determinant(w: np.ndarray, site: Site) -> np.ndarray:
    """What is nearest to having no inverse goes first, however large it may be.

    The score is `|det|` for matrices over the real or complex numbers, else the absolute value of
    the algebra's norm: `|x|^2` in the composition algebras, where this orders as magnitude does,
    `|a^2 - b^2|` in the split-complex and `a^2` in the dual numbers. These are of different
    degrees: with `scope="global"` layers of different algebras do not compare.
    """
    if w.shape[0] == 1:
        return np.square(w)
    algebra = site.parametrization.algebra
    form = _norm_form(algebra)
    if form is None:
        return _determinant(w, algebra.matrix)
    images = np.tensordot(form.astype(w.dtype), w, axes=1)
    return np.abs(np.sum(w * images, axis=0, keepdims=True))


def _determinant(w: np.ndarray, matrix: MatrixForm) -> np.ndarray:
    """`|det|` of `(d, *shape)`, by real matrices in which entries act as matrices themselves."""
    n, e = matrix.n, matrix.entry.dimension
    elements = w.reshape(n, e, n, -1)  # column, component of the entry, row
    table = matrix.entry.structure_constants.astype(w.dtype)
    rows = np.einsum("cprs,pjk->srkcj", elements, table)
    size = np.abs(np.linalg.det(rows.reshape(-1, n * e, n * e)))
    # That of complex entries is |det|^2.
    size = size if e == 1 else size ** (1 / e)
    return size.reshape(1, *w.shape[1:])


@in_float32
def _project(w: Tensor, keep: Tensor, gain: Tensor | None, projection: Callable) -> Tensor:
    in_one_pass = _NATIVE.get(projection)
    if in_one_pass is not None and w.shape[0] > 1 and native.serves(w):
        given = [keep] if gain is None else [keep, gain]
        dtypes = [keras.backend.standardize_dtype(t.dtype) for t in given]
        same = all(tuple(t.shape) == (1, *w.shape[1:]) for t in given)
        if same and dtypes == ["bool", "float32"][: len(given)]:
            return in_one_pass(w, *given)
    keep = ops.cast(keep, w.dtype)
    return projection(w, keep, None if gain is None else ops.cast(gain, w.dtype))


# Projections that one native operation does.
_NATIVE = {to_direction: native.rescale, to_zero: native.rescale}


def _indicator(w: Tensor, *, first: bool) -> Tensor:
    """1 on the first component and 0 on the others, or the reverse: `(d, 1, ..., 1)`."""
    is_first = np.arange(w.shape[0]) == 0
    one_each = (-1, *(1,) * (len(w.shape) - 1))
    return ops.cast(np.reshape(is_first if first else ~is_first, one_each), w.dtype)
