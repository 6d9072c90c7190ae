"""Convolutions as contractions: what lifts a real convolution to any algebra (see `product`).

Channels lie in the last axis or, with `data_format="channels_first"`, in axis 1; both are
component-major. A method may hand over channels in several *blocks* (components, rows of a matrix
element): `blocks` blocks of input channels meet a kernel whose rows and columns come in as many.
With groups, every group takes its part of each block, so no element is cut.
"""

import functools
import operator
from dataclasses import dataclass
from typing import Any

from keras import ops

from .product import DENSE, Contraction, merge_blocks, show_blocks

Tensor = Any


@dataclass(frozen=True)
class Window:
    """How a window slides; the arguments that all convolutions share.

    Attributes:
        strides: one number an axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: one number an axis.
    """

    strides: tuple[int, ...]
    padding: str = "valid"
    data_format: str = "channels_last"
    dilation_rate: tuple[int, ...] = (1,)

    batched_from_rank = None

    @property
    def axis(self) -> int:
        """The axis of the channels."""
        return 1 if self.data_format == "channels_first" else -1

    def columns(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One kernel against `x` with the axis of the columns before that of the channels."""
        axis = 0 if self.axis == -1 else 1
        # Channels first, the columns lie behind the batch already; else they move before it.
        x = x if axis else ops.moveaxis(x, -2, 0)
        sizes = tuple(ops.shape(x))
        y = self(ops.reshape(x, (-1, *sizes[2:])), kernel, blocks)
        leading = (-1, sizes[1]) if axis else (sizes[0], -1)
        y = ops.reshape(y, (*leading, *tuple(ops.shape(y))[1:]))
        return y if axis else ops.moveaxis(y, 0, -2)

    def batched(self, x: Tensor, kernel: Tensor) -> Tensor:
        """`R` products, one after the other."""
        pairs = zip(ops.unstack(x), ops.unstack(kernel), strict=True)
        return ops.stack([self(a, k) for a, k in pairs])

    def _options(self) -> dict[str, Any]:
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }


@dataclass(frozen=True)
class Convolution(Window):
    """The contraction of a convolution: `(..., in) x (*window, in // groups, out) -> (..., out)`.

    Attributes:
        groups: number of groups of input channels, each with its share of the output channels.
    """

    groups: int = 1

    @property
    def batched_from_rank(self) -> int | None:
        """Keras compiles every grouped convolution by itself, so one is better than several."""
        return None if self.groups == 1 else 2

    def __call__(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One convolution."""
        if self.groups == 1 or blocks == 1:
            return ops.conv(x, kernel, **self._options())
        # A real grouped convolution wants the blocks inside the groups.
        x = _swap(x, blocks, self.groups, self.axis)
        y = ops.conv(x, _swap(kernel, blocks, self.groups, -1), **self._options())
        return _swap(y, self.groups, blocks, self.axis)

    def batched(self, x: Tensor, kernel: Tensor) -> Tensor:
        """`R` products one after the other, or as one of `R` times as many groups."""
        if self.groups == 1:
            return super().batched(x, kernel)
        y = ops.conv(_join(x, self.axis), _join(kernel, -1), **self._options())
        return ops.stack(ops.split(y, x.shape[0], axis=self.axis))


@dataclass(frozen=True)
class TransposedConvolution(Window):
    """The contraction of a transposed convolution, `(..., in) x (*window, in, out) -> (..., out)`.

    Attributes:
        output_padding: one number an axis, or None.
    """

    output_padding: tuple[int, ...] | None = None

    def __call__(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One transposed convolution; Keras wants the kernel's outputs before its inputs."""
        kernel = ops.swapaxes(kernel, -1, -2)
        return ops.conv_transpose(x, kernel, output_padding=self.output_padding, **self._options())


@dataclass(frozen=True)
class DepthwiseConvolution(Window):
    """The contraction of a depthwise convolution.

    `(..., in) x (*window, in, multiplier) -> (..., in*multiplier)`: every channel has its own
    windows, and output channel `c*multiplier + m` belongs to input channel `c`.
    """

    def __call__(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One depthwise convolution, or one for each pair of an input and an output block.

        A single one with `blocks` times the multiplier, summed afterwards, takes 5 to 10 times as
        long on a CPU (32 x 32 x 32 x 64 and 32 x 16 x 16 x 256, 3 x 3, training step).
        """
        if blocks == 1:
            return ops.depthwise_conv(x, kernel, **self._options())
        parts = ops.split(x, blocks, axis=self.axis)
        rows = [ops.split(row, blocks, axis=-1) for row in ops.split(kernel, blocks, axis=-2)]
        sums = [
            functools.reduce(operator.add, map(self, parts, column))
            for column in zip(*rows, strict=True)
        ]
        return ops.concatenate(sums, axis=self.axis)


@dataclass(frozen=True)
class Pointwise:
    """The contraction of a convolution whose window has one place: a dense one.

    Attributes:
        data_format: `"channels_last"` or `"channels_first"`.
    """

    data_format: str = "channels_last"

    batched_from_rank = DENSE.batched_from_rank

    @property
    def axis(self) -> int:
        """The axis of the channels."""
        return 1 if self.data_format == "channels_first" else -1

    def __call__(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One matmul, with the kernel on the side of the channels."""
        kernel = _without_window(kernel)
        return DENSE(x, kernel) if self.axis == -1 else _left_product(kernel, x, 1)

    def batched(self, x: Tensor, kernel: Tensor) -> Tensor:
        """One batched matmul."""
        kernel = _without_window(kernel, keep=1)
        if self.axis == -1:
            return DENSE.batched(x, kernel)
        return _left_product(ops.expand_dims(kernel, 1), x, 2)

    def columns(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """A matmul treats every leading axis as rows already."""
        kernel = _without_window(kernel)
        return DENSE.columns(x, kernel) if self.axis == -1 else _left_product(kernel, x, 2)


def convolution(
    kernel_size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, ...],
    groups: int = 1,
) -> Contraction:
    """The contraction of that convolution, the dense one where the window has a single place."""
    if max(*kernel_size, *strides, groups) == 1:
        return Pointwise(data_format)
    return Convolution(strides, padding, data_format, dilation_rate, groups)


def output_size(
    size: int | None, kernel: int, stride: int, padding: str, dilation: int
) -> int | None:
    """Size of one axis after a convolution, None if unknown; not positive if nothing fits."""
    if size is None:
        return None
    lost = dilation * (kernel - 1) if padding == "valid" else 0
    return (size - lost - 1) // stride + 1


def transposed_output_size(
    size: int | None,
    kernel: int,
    stride: int,
    padding: str,
    dilation: int,
    output_padding: int | None,
) -> int | None:
    """Size of one axis after a transposed convolution, None if unknown."""
    if size is None:
        return None
    reach = dilation * (kernel - 1) + 1
    if padding == "valid":
        extra = max(stride - reach, 0) if output_padding is None else output_padding
        return (size - 1) * stride + reach + extra
    if output_padding is None:
        return size * stride
    return (size - 1) * stride + reach % 2 + output_padding


def _without_window(kernel: Tensor, keep: int = 0) -> Tensor:
    """`(*keep, *window, in, out)` of one place to `(*keep, in, out)`."""
    return ops.reshape(kernel, (*kernel.shape[:keep], *kernel.shape[-2:]))


def _left_product(kernel: Tensor, x: Tensor, axis: int) -> Tensor:
    """`(..., in, out)` times `x` whose channels lie in `axis`, with places behind them."""
    shape = tuple(ops.shape(x))
    rows = ops.reshape(x, (*shape[: axis + 1], -1))
    y = ops.matmul(ops.swapaxes(kernel, -1, -2), rows)
    return ops.reshape(y, (*shape[:axis], kernel.shape[-1], *shape[axis + 1 :]))


def _join(x: Tensor, axis: int) -> Tensor:
    """The first axis becomes blocks of `axis`."""
    return ops.concatenate(ops.unstack(x), axis=axis)


def _swap(x: Tensor, outer: int, inner: int, axis: int) -> Tensor:
    """`outer` times `inner` blocks of channels to `inner` times `outer`."""
    axis %= len(x.shape)
    x = show_blocks(x, (outer, inner, x.shape[axis] // (outer * inner)), axis)
    return merge_blocks(ops.swapaxes(x, axis, axis + 1), 3, axis)
