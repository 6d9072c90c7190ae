"""How algebra-valued tensors lie in memory; the only file that knows the order of the last axis.

An activation with `n` channels in an algebra of dimension `d` is a real tensor whose last axis has
`d * n` entries, *component-major*: all first components, then all second ones, and so on. A kernel
shows the component axis first, `(d, *window, in, out)`.
"""

from typing import Any

from keras import ops

Tensor = Any


def num_elements(size: int, dimension: int, name: str = "last axis") -> int:
    """Number of algebra elements in an axis of `size` real numbers.

    Raises:
        ValueError: if `size` is not a multiple of `dimension`.
    """
    if size is None:
        raise ValueError(
            f"The {name} must have a static size, so that it can be split into algebra elements. "
            f"Received: size={size}"
        )
    if size % dimension:
        raise ValueError(
            f"The {name} must be a multiple of the algebra's dimension {dimension} "
            f"({dimension} real numbers an element, component-major). Received: size={size}. "
            "Convert real data with `keras_phase.ToAlgebra` or `keras_phase.PhaseEncode` first."
        )
    return size // dimension


def split(x: Tensor, dimension: int, axis: int = -1) -> list[Tensor]:
    """Components of `x`: `(..., d*n)` to a list of `d` tensors `(..., n)`, or along `axis`."""
    num_elements(x.shape[axis], dimension, "last axis" if axis == -1 else f"axis {axis}")
    return [x] if dimension == 1 else list(ops.split(x, dimension, axis=axis))


def merge(components: list[Tensor], axis: int = -1) -> Tensor:
    """Inverse of `split`: a list of `d` tensors `(..., n)` to `(..., d*n)`, or along `axis`."""
    return components[0] if len(components) == 1 else ops.concatenate(components, axis=axis)


def to_axis(x: Tensor, dimension: int) -> Tensor:
    """Show the component axis: `(..., d*n)` to `(..., d, n)`, without moving data."""
    n = num_elements(x.shape[-1], dimension)
    return ops.reshape(x, (*_leading(x), dimension, n))


def from_axis(x: Tensor) -> Tensor:
    """Inverse of `to_axis`: `(..., d, n)` to `(..., d*n)`."""
    return ops.reshape(x, (*_leading(x, 2), x.shape[-2] * x.shape[-1]))


def repeat(x: Tensor, dimension: int) -> Tensor:
    """Give every component the same factor: `(..., n)` to `(..., d*n)`."""
    return merge([x] * dimension)


def interleaved_to_blocks(x: Tensor, dimension: int) -> Tensor:
    """`(..., n*d)`, the `d` numbers of an element adjacent, to component-major `(..., d*n)`."""
    n = num_elements(x.shape[-1], dimension)
    x = ops.reshape(x, (*_leading(x), n, dimension))
    return from_axis(ops.swapaxes(x, -1, -2))


def blocks_to_interleaved(x: Tensor, dimension: int) -> Tensor:
    """Inverse of `interleaved_to_blocks`."""
    x = ops.swapaxes(to_axis(x, dimension), -1, -2)
    return ops.reshape(x, (*_leading(x, 2), x.shape[-2] * x.shape[-1]))


def is_complex(x: Tensor) -> bool:
    """Whether `x` has a complex dtype (a plain attribute read, for tensors of any backend)."""
    return "complex" in str(getattr(x, "dtype", ""))


def from_complex(x: Tensor) -> Tensor:
    """Complex tensor `(..., n)` to real component-major `(..., 2n)`."""
    return ops.concatenate([ops.real(x), ops.imag(x)], axis=-1)


def to_complex(x: Tensor) -> Tensor:
    """Real component-major `(..., 2n)` to complex `(..., n)`; 16-bit floats become float32."""
    real, imag = split(x, 2)
    if str(real.dtype) not in ("float32", "float64"):
        real, imag = ops.cast(real, "float32"), ops.cast(imag, "float32")
    return ops.view_as_complex(ops.stack([real, imag], axis=-1))


def _leading(x: Tensor, drop: int = 1) -> tuple:
    """Shape without the last `drop` axes, with -1 for the one dynamic size."""
    shape = list(x.shape[:-drop])
    unknown = [i for i, size in enumerate(shape) if size is None]
    if len(unknown) > 1:
        dynamic = ops.shape(x)
        return tuple(dynamic[i] if size is None else size for i, size in enumerate(shape))
    return tuple(-1 if size is None else size for size in shape)
