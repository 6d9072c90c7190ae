"""What the layers with trained eigenvalues share, and the dense one."""

import inspect
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from ..activations.base import Split
from ..parametrizations import Spectral
from ..parametrizations.spectral import Eigenvalues
from .algebra_layer import register
from .dense import AlgebraDense, DenseBody

Tensor = Any

_ARGUMENTS = (
    "train_in",
    "train_out",
    "train_vectors",
    "in_initializer",
    "out_initializer",
    "vectors_initializer",
    "eigenvalue_regularizer",
    "eigenvalue_constraint",
)


class SpectralMixin:
    """For presets with spectral arguments in the place of `parametrization`.

    A body names the classes that it can be made from, a public class its plain twins.

    Attributes:
        family: bodies of the layers that `_from_plain` takes, besides `stock`.
        plain: the layer of this package with a plain kernel.
        stock: the Keras layer.
    """

    family: type
    plain: type
    stock: type
    algebra: Any
    built: bool
    parametrization: Spectral
    kernel_parametrization: Any

    @property
    def eigenvalues(self) -> Eigenvalues:
        """`(inputs, outputs)` of the nodes, `(in,)` and `(out,)`; None where a set is absent."""
        return self._built_parametrization().eigenvalues

    @property
    def eigenvectors(self) -> Tensor:
        """`phi`, `(d, *window, in, out)`."""
        return self._built_parametrization().phi()

    def transfer_operator(self) -> np.ndarray:
        """`A = Phi Lambda Phi^-1`, real, `(dN, dN)`, `N` the number of input and output nodes.

        Applied to an input followed by zeros it gives, in its last rows, what the layer makes of it
        before bias and activation. The input nodes of a convolution are the elements under its
        window, those of one group. `Phi^-1 = 2 - Phi`.
        """
        vectors, values = self._built_parametrization().operator()
        return (vectors * values) @ (2 * np.eye(len(values)) - vectors)

    def _built_parametrization(self) -> Any:
        if not self.built:
            raise AttributeError(
                f"The layer '{self.name}' has no eigenvalues yet: call it on data, or `build` it "
                "first."
            )
        return self.kernel_parametrization

    @classmethod
    def _from_plain(
        cls, layer: keras.layers.Layer, eigenvalues_in: Any, eigenvalues_out: Any, arguments: dict
    ) -> Self:
        same_rank = getattr(layer, "rank", None) == getattr(cls, "rank", None)
        if not isinstance(layer, (cls.stock, cls.family)) or not same_rank:
            raise TypeError(
                f"Expected a layer to start from of the kind keras.layers.{cls.stock.__name__} or "
                f"{cls.plain.__name__}. "
                f"Received: layer={layer!r} (of type {type(layer).__name__})"
            )
        if not layer.built:
            raise ValueError(
                f"The layer '{layer.name}' has no kernel yet: call it on data, or `build` it, "
                f"first. Received: layer={layer!r} with layer.built=False"
            )
        new = cls(**{"algebra": "real", **_arguments(layer.get_config(), cls), **arguments})
        new.build(_input_shape(layer, new))
        p = new.kernel_parametrization
        one_set = p.train_in is None
        given = [eigenvalues_in, eigenvalues_out]
        starts = [None if one_set else 1.0, -1.0 if one_set else 0.0]
        if p.train_out is None:
            starts[1] = None
        p.set_eigenvalues(*(s if g is None else g for g, s in zip(given, starts, strict=True)))
        kernel = ops.convert_to_tensor(layer.kernel)
        p.set_kernel(ops.reshape(kernel, (new.algebra.dimension, *p.shape)))
        _copy_rest(layer, new)
        return new

    def _to_plain(self) -> keras.layers.Layer:
        self._built_parametrization()
        d, activation = self.algebra.dimension, self.activation
        stock = d == 1 and isinstance(activation, Split)
        cls = self.stock if stock else self.plain
        config = _arguments(self.get_config(), cls)
        if stock:
            config |= {"activation": activation.function, "kernel_initializer": "zeros"}
        new = cls(**config)
        new.build(_input_shape(self, self))
        kernel = self.kernel
        if stock:
            new.kernel.assign(ops.reshape(kernel, new.kernel.shape))
        else:
            new.kernel_parametrization.set_kernel(kernel)
        _copy_rest(self, new)
        return new

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        del config["parametrization"]
        spectral = self.parametrization.get_config()
        return {**config, **{name: spectral[name] for name in _ARGUMENTS}}


def _arguments(config: dict[str, Any], cls: type) -> dict[str, Any]:
    """What `cls` takes of another layer's config."""
    known = set(inspect.signature(cls.__init__).parameters) | {"name", "trainable", "dtype"}
    unsupported = {"lora_rank", "lora_alpha", "quantization_config", "parametrization"}
    return {k: v for k, v in config.items() if k in known - unsupported}


def _input_shape(layer: Any, algebra_layer: Any) -> tuple:
    """An input shape that `layer` was built for, its places left open."""
    kernel = layer.kernel.shape
    channels = kernel[-2] * getattr(layer, "groups", 1) * algebra_layer.algebra.dimension
    if not hasattr(layer, "kernel_size"):
        return (None, channels)
    places = (None,) * len(layer.kernel_size)
    if layer.data_format == "channels_first":
        return (None, channels, *places)
    return (None, *places, channels)


def _copy_rest(source: Any, target: Any) -> None:
    """Bias, and the weights of a parametric activation."""
    if source.bias is not None:
        target.bias.assign(ops.convert_to_numpy(source.bias))
    inner = getattr(source, "_activation_layer", None)
    if inner is not None:
        target._activation_layer.set_weights(inner.get_weights())


class SpectralDenseBody(SpectralMixin, DenseBody):
    """The logic of `SpectralDense`, for any Keras base class."""

    family, plain, stock = DenseBody, AlgebraDense, keras.layers.Dense

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
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
            units,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            lora_rank,
            lora_alpha,
            quantization_config,
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
    def from_dense(
        cls,
        layer: keras.layers.Layer,
        *,
        eigenvalues_in: Any = None,
        eigenvalues_out: Any = None,
        **arguments: Any,
    ) -> Self:
        """A spectral layer that computes what a dense one does; bias and settings are kept.

        Args:
            layer: a built `keras.layers.Dense`, `AlgebraDense` or relative.
            eigenvalues_in: of the input nodes, a number or `(in,)`; None: 1.
            eigenvalues_out: of the output nodes, a number or `(out,)`; None: 0, or -1 where they
                are the only set.
            **arguments: of this class, such as `train_vectors=False`, in place of the layer's own.

        Raises:
            TypeError: if `layer` is of another kind.
            ValueError: if it is not built, or the eigenvalues of connected nodes are equal.

        Example:

        >>> dense = keras.layers.Dense(3)
        >>> dense.build((None, 4))
        >>> SpectralDense.from_dense(dense, train_vectors=False).name == dense.name
        True
        """
        return cls._from_plain(layer, eigenvalues_in, eigenvalues_out, arguments)

    def to_dense(self) -> keras.layers.Layer:
        """A layer with this one's effective kernel as a plain variable, and its bias.

        A `keras.layers.Dense` in the real algebra, where the activation is one of Keras; else an
        `AlgebraDense`.
        """
        return self._to_plain()


@register
class SpectralDense(SpectralDenseBody, keras.layers.Layer):
    """Dense layer that trains eigenvalues of its nodes, beside or instead of its weights.

    `y_j = activation(sum_i (lambda_in_i - lambda_out_j) phi_ij * x_i + b_j)`: the transfer between
    the layers of nodes is an operator with eigenvalues `lambda`, a real number for each input and
    each output node, and eigenvectors `phi`. With `train_vectors=False` as few as `in + out`
    numbers are trained. The eigenvalues of the output nodes rank them, for
    `pruning.nodes.prune_nodes`.

    It is `AlgebraDense` with the parametrization `Spectral`. With its default start (input
    eigenvalues 1, output eigenvalues 0) the kernel is what `kernel_initializer` draws.

    Args:
        units: number of output elements; the output's last axis is `d*units`.
        activation: as in `AlgebraDense`.
        use_bias: whether to add a bias, `(d*units,)`.
        kernel_initializer: of the eigenvectors.
        bias_initializer: of the bias.
        kernel_regularizer: of the eigenvectors.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the eigenvectors.
        bias_constraint: of the bias.
        lora_rank: not supported, must stay None.
        lora_alpha: not supported, must stay None.
        quantization_config: not supported, must stay None.
        algebra: name of an algebra, an `Algebra` or its config.
        train_in: True: the eigenvalues of the input nodes are trained; False: they stay as they
            were initialized; None: there are none (0).
        train_out: the same of the output nodes. One set alone, `train_in=None`, is the form of the
            first papers.
        train_vectors: whether the eigenvectors are trained.
        in_initializer: of the input eigenvalues: "optimized_uniform", "half_uniform",
            "pruning_uniform", "receiving", "direct" (the papers' choices), or any of Keras. None:
            ones.
        out_initializer: of the output eigenvalues, likewise. None: zeros, ones where they are the
            only set.
        vectors_initializer: of the eigenvectors by one of these names; None: `kernel_initializer`.
        eigenvalue_regularizer: of both sets of eigenvalues.
        eigenvalue_constraint: of both sets of eigenvalues.
        method: as in `AlgebraDense`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*in)`.

    Output shape:
        `(batch, ..., d*units)`, in the layer's compute dtype.

    Raises:
        ValueError: as `AlgebraDense`; if both sets of eigenvalues are absent, or an initializer is
            unknown.

    Reference:
        Giambagli et al., "Machine learning in spectral domain", Nat. Commun. 12, 1330 (2021);
        Chicchi et al., arXiv 2106.09021.

    Example:

    >>> layer = SpectralDense(3, train_vectors=False)
    >>> layer(keras.ops.ones((2, 5))).shape
    TensorShape([2, 3])
    >>> sum(int(w.shape[0]) for w in layer.trainable_weights)  # 5 + 3 eigenvalues, 3 of bias
    11
    >>> layer.transfer_operator().shape
    (8, 8)
    """
