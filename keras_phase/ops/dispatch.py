"""Product methods by name, and the rule by which `auto` picks one.

Naming a method that cannot serve an algebra is an error that says why; only `auto` chooses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

from .. import algebras
from ..algebras import Algebra
from ..registry import Registry
from . import native, product
from .convolution import (
    Convolution,
    DepthwiseConvolution,
    Pointwise,
    TransposedConvolution,
)
from .modulus import is_half
from .product import DENSE, Contraction, Dense

Tensor = Any


@dataclass(frozen=True)
class From:
    """Real width (of the narrower side) from which a form pays; None: never.

    Below it, additions and dispatch cost what the products save.
    """

    graph: int | None
    eager: int | None

    def here(self) -> int | None:
        """The width that counts for an operation called now."""
        return self.eager if native.executing_eagerly() else self.graph


# Training steps on a CPU. Dense: docs/performance.md. Convolution, 3 x 3, batch 32, time of the
# factored form over the expanded one at 32, 64 and 256 real channels: complex 1.0, 0.86, 0.60;
# quaternion 1.6, 0.7, 0.34; eagerly at 64 and 256: 1.2, 0.8 and 1.2, 0.5. (Matrix form of m2r at
# 64 and 256: 0.58, 0.45.) Depthwise, where every product counts: complex 1.0, quaternion 0.9,
# m2r 0.7 (its matrix form too), at 64 and 256.
_FACTORED_FROM = {
    Dense: From(graph=256, eager=None),
    Pointwise: From(graph=256, eager=None),
    Convolution: From(graph=64, eager=256),
    TransposedConvolution: From(graph=64, eager=256),
    DepthwiseConvolution: From(graph=0, eager=0),
}

# Dense training steps, native op over the stock form. Eagerly 0.27 to 0.52 from 32 real numbers on.
# In graphs on two threads, complex 512 and 1024 wide: 0.94 to 0.99 at a batch of 32, 0.98 to 1.08
# at 128, and 1.2 at 256: there TensorFlow runs the many stock operations side by side.
_NATIVE_FROM = From(graph=None, eager=32)


@dataclass(frozen=True)
class ProductMethod:
    """A way to compute kernel times input.

    Attributes:
        name: the name that layers take as `method`.
        function: `(x, kernel, algebra, contraction, bias, relu) -> y`: the product, plus the bias
            if there is one, with negative components 0 if `relu`.
        unavailable: from an algebra to the reason why the method cannot serve it, or None.
    """

    name: str
    function: Callable[[Tensor, Tensor, Algebra, Contraction, Tensor | None, bool], Tensor]
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
        self,
        x: Tensor,
        kernel: Tensor,
        algebra: Algebra,
        contraction: Contraction = DENSE,
        bias: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """Product of `kernel` `(d, *window, in, out)` with `x` `(..., d*in)`.

        A `bias` `(d*out,)` is added, and with `relu` negative components become 0.
        """
        return self.function(x, kernel, algebra, contraction, bias, relu)


def _stock(multiply: Callable[[Tensor, Tensor, Algebra, Contraction], Tensor]) -> Callable:
    """A product of stock operations, with bias and ReLU as operations of their own."""

    def function(
        x: Tensor,
        kernel: Tensor,
        algebra: Algebra,
        contraction: Contraction,
        bias: Tensor | None,
        relu: bool,
    ) -> Tensor:
        y = multiply(x, kernel, algebra, contraction)
        y = y if bias is None else ops.add(y, bias)
        return ops.relu(y) if relu else y

    return function


def _auto(
    x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction, *epilogue: Any
) -> Tensor:
    return choose(x, kernel, algebra, contraction)(x, kernel, algebra, contraction, *epilogue)


def _native(
    x: Tensor,
    kernel: Tensor,
    algebra: Algebra,
    contraction: Contraction,
    bias: Tensor | None,
    relu: bool,
) -> Tensor:
    """The native op where one may run, else the stock operations that `auto` takes."""
    bias = None if bias is None else ops.convert_to_tensor(bias)
    if contraction is DENSE and native.serves(x, kernel, *([] if bias is None else [bias])):
        return native.dense(x, kernel, algebra, bias, relu)
    method = _choose_stock(x, kernel, algebra, contraction)
    return method(x, kernel, algebra, contraction, bias, relu)


def _without_factorization(algebra: Algebra) -> str | None:
    if algebra.factorization is None:
        return "it has no bilinear factorization; use method='expanded', or register one with it"
    return None


def _without_matrix_form(algebra: Algebra) -> str | None:
    return None if algebra.matrix else "it is not a matrix algebra; use method='factored'"


METHODS = Registry("product method")
METHODS.add("auto", ProductMethod("auto", _auto))
METHODS.add("expanded", ProductMethod("expanded", _stock(product.expanded)))
METHODS.add("factored", ProductMethod("factored", _stock(product.factored), _without_factorization))
METHODS.add("matrix", ProductMethod("matrix", _stock(product.matrix), _without_matrix_form))
METHODS.add("native", ProductMethod("native", _native, lambda algebra: native.unavailable_reason()))


def get(method: str, algebra: Any) -> ProductMethod:
    """The method of that name, checked to serve `algebra`.

    Raises:
        ValueError: if the name is unknown, or the method cannot serve the algebra.
    """
    found = METHODS.get(method)
    found.check(algebras.get(algebra))
    return found


def choose(
    x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction = DENSE
) -> ProductMethod:
    """What `auto` uses here: the native op where one may run and pays, else stock operations."""
    d, from_width = algebra.dimension, _NATIVE_FROM.here()
    if contraction is DENSE and algebra.matrix is None and algebra.factorization is not None:
        wide = from_width is not None and d * min(kernel.shape[-2:]) >= from_width
        if d > 1 and wide and native.serves(x, kernel):
            return METHODS.get("native")
    return _choose_stock(x, kernel, algebra, contraction)


def _choose_stock(
    x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction
) -> ProductMethod:
    """Expanded for narrow layers and in eager mode, else the cheapest form.

    Matrix algebras take `matrix` everywhere: it is a plain matmul with less work. The factored form
    is not chosen for 16-bit floats, where its sums and differences lose accuracy.
    """
    d = algebra.dimension
    if d == 1:
        return METHODS.get("expanded")
    if algebra.matrix is not None:
        return METHODS.get("matrix")
    rule = _FACTORED_FROM.get(type(contraction), _FACTORED_FROM[Dense])
    from_width = rule.here()
    if from_width is None or algebra.factorization is None or is_half(x):
        return METHODS.get("expanded")
    wide = d * min(kernel.shape[-2], kernel.shape[-1]) >= from_width
    return METHODS.get("factored" if wide else "expanded")


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
