"""Convolutions that train eigenvalues of their channels."""

from typing import Any, Self

import keras

from ..parametrizations import Spectral
from .algebra_layer import register
from .convolution import AlgebraConv1D, AlgebraConv2D, AlgebraConv3D, ConvolutionBody
from .spectral import SpectralMixin

Tensor = Any


class SpectralConvolutionBody(SpectralMixin, ConvolutionBody):
    """The logic of `SpectralConv1D`, `2D` and `3D`, for any Keras base class."""

    family = ConvolutionBody

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        algebra: Any = "real",
        train_in: bool | None = True,
        train_out: bool | None = True,
        train_vectors: bool = True,
        in_initializer: Any = None,
        out_initializer: Any = None,
        vectors_initializer: Any = None,
        eigenvalue_regularizer: Any = None,
        eigenvalue_constraint: Any = None,
        method: str = "auto",
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            groups,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            algebra=algebra,
            parametrization=Spectral(
                train_in,
                train_out,
                train_vectors,
                in_initializer,
                out_initializer,
                vectors_initializer,
                eigenvalue_regularizer,
                eigenvalue_constraint,
            ),
            method=method,
            **kwargs,
        )

    @classmethod
    def from_convolution(
        cls,
        layer: keras.layers.Layer,
        *,
        eigenvalues_in: Any = None,
        eigenvalues_out: Any = None,
        **arguments: Any,
    ) -> Self:
        """A spectral layer that computes what a convolution does; bias and settings are kept.

        Args:
            layer: a built convolution of Keras or of this package, of the same rank.
            eigenvalues_in: of the input channels, a number or `(in // groups,)`; None: 1.
            eigenvalues_out: of the filters, a number or `(filters,)`; None: 0, or -1 where they are
                the only set.
            **arguments: of this class, such as `train_vectors=False`, in place of the layer's own.

        Raises:
            TypeError: if `layer` is of another kind.
            ValueError: if it is not built, or the eigenvalues of connected nodes are equal.
        """
        return cls._from_plain(layer, eigenvalues_in, eigenvalues_out, arguments)

    def to_convolution(self) -> keras.layers.Layer:
        """A layer with this one's effective kernel as a plain variable, and its bias.

        A convolution of Keras in the real algebra, where the activation is one of Keras; else one
        of this package.
        """
        return self._to_plain()


@register
class SpectralConv1D(SpectralConvolutionBody, keras.layers.Layer, rank=1):
    """Convolution along one axis that trains eigenvalues of its channels.

    `SpectralConv2D` says what the arguments are, `AlgebraConv1D` what `padding="causal"` does.

    Example:

    >>> SpectralConv1D(3, 2)(keras.ops.ones((2, 7, 5))).shape
    TensorShape([2, 6, 3])
    """

    plain, stock = AlgebraConv1D, keras.layers.Conv1D


@register
class SpectralConv2D(SpectralConvolutionBody, keras.layers.Layer, rank=2):
    """Convolution along two axes that trains eigenvalues of its channels.

    `AlgebraConv2D` with the parametrization `Spectral`: the weight from channel `i` to filter `j`
    at place `q` of the window is `(lambda_in_i - lambda_out_j) phi_ij(q)`, with a real eigenvalue
    for each channel. `SpectralDense` says more.

    Args:
        filters: number of output elements; the output has `d*filters` channels.
        kernel_size: size of the window, one number or one for each axis.
        strides: as in `AlgebraConv2D`.
        padding: as in `AlgebraConv2D`.
        data_format: as in `AlgebraConv2D`.
        dilation_rate: as in `AlgebraConv2D`.
        groups: as in `AlgebraConv2D`; the groups share the input eigenvalues, `(in // groups,)`.
        activation: as in `AlgebraConv2D`.
        use_bias: whether to add a bias, `(d*filters,)`.
        kernel_initializer: of the eigenvectors.
        bias_initializer: of the bias.
        kernel_regularizer: of the eigenvectors.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the eigenvectors.
        bias_constraint: of the bias.
        algebra: name of an algebra, an `Algebra` or its config.
        train_in: as in `SpectralDense`.
        train_out: as in `SpectralDense`.
        train_vectors: as in `SpectralDense`.
        in_initializer: as in `SpectralDense`.
        out_initializer: as in `SpectralDense`.
        vectors_initializer: as in `SpectralDense`.
        eigenvalue_regularizer: as in `SpectralDense`.
        eigenvalue_constraint: as in `SpectralDense`.
        method: as in `AlgebraConv2D`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*in)`, or `(batch, d*in, *places)` with channels first.

    Output shape:
        The same with `d*filters` channels.

    Raises:
        ValueError: as `AlgebraConv2D` and `SpectralDense`.

    Reference:
        The dense form is that of Giambagli et al., Nat. Commun. 12, 1330 (2021), and Chicchi et
        al., arXiv 2106.09021.

    Example:

    >>> layer = SpectralConv2D(3, 3, train_vectors=False, algebra="complex")
    >>> layer(keras.ops.ones((2, 8, 8, 2 * 5))).shape
    TensorShape([2, 6, 6, 6])
    >>> layer.eigenvalues.inputs.shape, layer.eigenvalues.outputs.shape
    (TensorShape([5]), TensorShape([3]))
    """

    plain, stock = AlgebraConv2D, keras.layers.Conv2D


@register
class SpectralConv3D(SpectralConvolutionBody, keras.layers.Layer, rank=3):
    """Convolution along three axes that trains eigenvalues of its channels.

    `SpectralConv2D` says what the arguments are.

    Example:

    >>> SpectralConv3D(3, 2)(keras.ops.ones((2, 4, 4, 4, 5))).shape
    TensorShape([2, 3, 3, 3, 3])
    """

    plain, stock = AlgebraConv3D, keras.layers.Conv3D
