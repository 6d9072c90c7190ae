"""Product methods by name, and the rule by which `auto` picks one.

Naming a method that cannot serve an algebra is an error that says why; only `auto` chooses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import algebras
from ..algebras import Algebra
from ..registry import Registry
from . import native, product
from .modulus import is_half
from .product import DENSE, Contraction

Tensor = Any

# Below this real width the additions of the factored forms cost what the products save.
_MIN_FACTORED_WIDTH = 256


@dataclass(frozen=True)
class ProductMethod:
    """A way to compute kernel times input.

    Attributes:
        name: the name that layers take as `method`.
        function: `(x, kernel, algebra, contraction) -> y`.
        unavailable: from an algebra to the reason why the method cannot serve it, or None.
    """

    name: str
    function: Callable[[Tensor, Tensor, Algebra, Contraction], Tensor]
    unavailable: Callable[[Algebra], str | None] = lambda algebra: None

    def check(self, algebra: Algebra) -> None:
        """Raise `ValueError` with the reason if the method cannot serve `algebra`."""
        reason = self.unavailable(algebra)
        if reason is not None:
            raise ValueError(
                f"The product method '{self.name}' is not available for the algebra "
                f"'{algebra.name}': {reason}. Received: method='{self.name}'"
            )

    def __call__(
        self, x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction = DENSE
    ) -> Tensor:
        """Product of `kernel` `(d, *window, in, out)` with `x` `(..., d*in)`."""
        return self.function(x, kernel, algebra, contraction)


def _auto(x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction) -> Tensor:
    return choose(x, kernel, algebra)(x, kernel, algebra, contraction)


def _without_factorization(algebra: Algebra) -> str | None:
    if algebra.factorization is None:
        return "it has no bilinear factorization; use method='expanded', or register one with it"
    return None


def _without_matrix_form(algebra: Algebra) -> str | None:
    return None if algebra.matrix else "it is not a matrix algebra; use method='factored'"


METHODS = Registry("product method")
METHODS.add("auto", ProductMethod("auto", _auto))
METHODS.add("expanded", ProductMethod("expanded", product.expanded))
METHODS.add("factored", ProductMethod("factored", product.factored, _without_factorization))
METHODS.add("matrix", ProductMethod("matrix", product.matrix, _without_matrix_form))
METHODS.add(
    "native",
    ProductMethod("native", product.expanded, lambda algebra: native.unavailable_reason()),
)


def get(method: str, algebra: Any) -> ProductMethod:
    """The method of that name, checked to serve `algebra`.

    Raises:
        ValueError: if the name is unknown, or the method cannot serve the algebra.
    """
    found = METHODS.get(method)
    found.check(algebras.get(algebra))
    return found


def choose(x: Tensor, kernel: Tensor, algebra: Algebra) -> ProductMethod:
    """What `auto` uses here: expanded in eager mode and for narrow layers, else the cheapest form.

    Matrix algebras take `matrix` everywhere: it is a plain matmul with less work. The factored form
    is not chosen for 16-bit floats, where its sums and differences lose accuracy.
    """
    d = algebra.dimension
    if d == 1:
        return METHODS.get("expanded")
    if algebra.matrix is not None:
        return METHODS.get("matrix")
    wide = d * min(kernel.shape[-2], kernel.shape[-1]) >= _MIN_FACTORED_WIDTH
    if algebra.factorization is None or not wide or is_half(x):
        return METHODS.get("expanded")
    return METHODS.get("expanded" if native.executing_eagerly() else "factored")


def matmul(x: Tensor, kernel: Tensor, algebra: Any, method: str = "auto") -> Tensor:
    """Dense product with the weight on the left: `y_j = sum_i kernel[:, i, j] * x_i`.

    Args:
        x: `(..., d*in)`, component-major.
        kernel: `(d, in, out)`.
        algebra: an `Algebra`, its name or its config.
        method: `"auto"`, `"expanded"`, `"factored"`, `"matrix"` or `"native"`.

    Returns:
        `(..., d*out)`.

    Raises:
        ValueError: if the sizes do not fit, or the method cannot serve the algebra.
    """
    algebra = algebras.get(algebra)
    d = algebra.dimension
    if len(kernel.shape) != 3 or kernel.shape[0] != d or x.shape[-1] != d * kernel.shape[1]:
        raise ValueError(
            f"Expected a kernel (d, in, out) and an input (..., d*in) with d = {d} for the algebra "
            f"'{algebra.name}'. Received: kernel.shape={tuple(kernel.shape)}, "
            f"x.shape={tuple(x.shape)}"
        )
    return get(method, algebra)(x, kernel, algebra, DENSE)
