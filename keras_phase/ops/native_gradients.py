"""Gradients of the native operations: native operations again, as far as they reach.

`native` registers them when it loads the library.
"""

from typing import Any

from . import native, phase_matmul
from .modulus import modulus_axis

Tensor = Any


def _bilinear_gradient(op: Any, slope: Tensor, *slopes_of_sums: Tensor) -> tuple:
    """Of each of the three products, in terms of the other two."""
    import tensorflow as tf

    a, b, factors, *more = op.inputs
    product = op.get_attr("product")
    if product == native.FORWARD:
        gate = [op.outputs[0]] if op.get_attr("relu") else []
        by_a = native.bilinear(slope, b, factors, native.INPUT_GRADIENT, gate=gate).out
        by_b = native.bilinear(
            a, slope, factors, native.KERNEL_GRADIENT, gate=gate, num_sums=len(more)
        )
        return by_a, by_b.out, None, *by_b.sums

    def gated(x: Tensor) -> Tensor:
        return tf.where(more[0] > 0, x, tf.zeros_like(x)) if more else x

    if product == native.INPUT_GRADIENT:
        by_a = gated(native.bilinear(slope, b, factors, native.FORWARD).out)
        by_b = native.bilinear(slope, gated(a), factors, native.KERNEL_GRADIENT).out
    else:
        by_a = native.bilinear(gated(b), slope, factors, native.INPUT_GRADIENT).out
        by_b = gated(sum(slopes_of_sums, native.bilinear(a, slope, factors, native.FORWARD).out))
    # The gate only switches: its gradient is 0 wherever it has one.
    return by_a, by_b, None, *(None for _ in more)


def _multiply_gradient(op: Any, slope: Tensor) -> tuple:
    """Products again: by `a` of slope and `b`, by `b` of `a` and slope."""
    import tensorflow as tf

    a, b, table = op.inputs
    of_a, of_b = tf.transpose(table, (2, 1, 0)), tf.transpose(table, (0, 2, 1))
    if op.get_attr("sum"):
        slope = tf.broadcast_to(slope, tf.shape(b if a.shape.rank == 1 else a))
    by_a = native.multiply(slope, b, of_a, sum_rows=a.shape.rank == 1 and b.shape.rank != 1)
    by_b = native.multiply(a, slope, of_b, sum_rows=b.shape.rank == 1 and a.shape.rank != 1)
    return by_a, by_b, None


_WAVELET_ATTRIBUTES = ("row_stride", "column_stride", "parts", "result")


def _wavelet_gradient(op: Any, slope: Tensor) -> tuple:
    """By the native op; of the gradient of moduli again, by stock operations."""
    import tensorflow as tf

    x, filters, rows, columns, *slopes = op.inputs
    attributes = {name: op.get_attr(name) for name in _WAVELET_ATTRIBUTES}
    arguments = {"filters": filters, "rows": rows, "columns": columns, **attributes}
    native_op = native.library().ops.keras_phase_wavelet_modulus
    if not slopes:
        by_x = native_op(x=x, slope=[slope], **arguments)
        by_x.set_shape(x.shape)
        return by_x, None, None, None
    if attributes.pop("result") != native.MODULUS:  # linear: the gradient's is the responses
        by_slope = native_op(x=slope, slope=[], **arguments)
        by_slope.set_shape(slopes[0].shape)
        return None, None, None, None, by_slope
    with tf.GradientTape() as outer:
        outer.watch([x, *slopes])
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = stock_wavelet_modulus(x, filters, rows, columns, **attributes)
        by_x = inner.gradient(y, x, output_gradients=slopes[0])
    by_x, by_slope = outer.gradient(by_x, [x, *slopes], output_gradients=slope)
    return by_x, None, None, None, by_slope


def stock_wavelet_modulus(
    x: Tensor,
    filters: Tensor,
    rows: Tensor,
    columns: Tensor,
    row_stride: int,
    column_stride: int,
    parts: int,
) -> Tensor:
    """What the op computes, for derivatives that it does not have."""
    import tensorflow as tf

    x = tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])  # the place -1
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    x = tf.gather(x, tf.where(rows < 0, height - 1, rows), axis=1)
    x = tf.gather(x, tf.where(columns < 0, width - 1, columns), axis=2)
    kernel = tf.transpose(tf.concat(tf.unstack(filters), 0), (1, 2, 0))[:, :, None]
    # Rows of a convolution that takes channels one by one may not differ in stride.
    y = tf.nn.depthwise_conv2d(x, tf.repeat(kernel, x.shape[-1], axis=2), [1, 1, 1, 1], "VALID")
    y = y[:, ::row_stride, ::column_stride]
    shape = tf.concat([tf.shape(y)[:3], [parts, x.shape[-1] // parts, 2, filters.shape[1]]], 0)
    y = tf.reshape(y, shape)
    real, imag = y[..., 0, :, 0, :], y[..., 0, :, 1, :]
    if parts == 2:
        real, imag = real - y[..., 1, :, 1, :], imag + y[..., 1, :, 0, :]
    return modulus_axis(tf.stack([real, imag]), axis=0)


def _coded_gradient(op: Any, slope: Tensor) -> tuple:
    """By stock operations: codes are for inference, where a gradient is rare."""
    import tensorflow as tf

    x, codes, scale, matrices, *bias = op.inputs
    trained = [x, scale, *bias]
    with tf.GradientTape() as tape:
        tape.watch(trained)
        y = stock_coded_matmul(x, codes, scale, matrices)
        y = y + bias[0] if bias else y
        y = tf.nn.relu(y) if op.get_attr("relu") else y
    by_x, by_scale, *by_bias = tape.gradient(y, trained, slope)
    return by_x, None, by_scale, None, *by_bias


def stock_coded_matmul(x: Tensor, codes: Tensor, scale: Tensor, matrices: Tensor) -> Tensor:
    """What the op computes, by the expanded kernel."""
    import tensorflow as tf

    d, units = matrices.shape[-1], codes.shape[1]
    size = x.shape[-1] // d
    index = phase_matmul.unpack(codes, matrices.shape[0].bit_length() - 1, size)
    blocks = tf.gather(tf.cast(matrices, x.dtype), index)  # (in, units, d, d)
    kernel = tf.reshape(tf.transpose(blocks, (2, 0, 3, 1)) * scale, (d * size, d * units))
    return tf.linalg.matmul(x, kernel) if x.shape.rank > 1 else tf.linalg.matvec(kernel, x, True)


GRADIENTS = {
    "KerasPhaseCodedMatMul": _coded_gradient,
    "KerasPhaseBilinear": _bilinear_gradient,
    "KerasPhaseMultiply": _multiply_gradient,
    "KerasPhaseWaveletModulus": _wavelet_gradient,
}
