"""Linear maps at the two ends of attention: the embedding of integers, and projections to heads."""

from typing import Any

import keras
from keras import constraints, initializers, ops, regularizers

from .. import initializers as algebra_initializers
from .. import parametrizations
from ..ops import layout
from ..parametrizations import Parametrization
from .algebra_layer import AlgebraLayerMixin, register
from .arguments import require_positive
from .dense import refuse_unsupported

Tensor = Any


class EmbeddingBody(AlgebraLayerMixin):
    """The logic of `AlgebraEmbedding`, for any Keras base class."""

    _opens_complex = False

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        **kwargs: Any,
    ):
        require_positive(
            "a number of words or elements", input_dim=input_dim, output_dim=output_dim
        )
        refuse_unsupported(
            lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config
        )
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = algebra_initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.parametrization = parametrizations.get(parametrization)
        self.supports_masking = mask_zero
        self.autocast = False  # indices stay whole numbers, and only the gathered rows are cast
        if weights is not None:
            self.build()
            self._set_table(weights)

    def build(self, input_shape: tuple | None = None) -> None:
        """Create the variables; they do not depend on the input's shape."""
        if self.built:
            return
        initializer = algebra_initializers.for_kernel(self.embeddings_initializer, self.algebra)
        self.kernel_parametrization = self.parametrization.build(
            self,
            self.algebra,
            (self.input_dim, self.output_dim),
            name="embeddings",
            initializer=initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        self.built = True

    @property
    def parametrizations(self) -> list[Parametrization]:
        """The built parametrization of the table."""
        return [self.kernel_parametrization]

    @property
    def embeddings(self) -> Tensor:
        """The effective table, `(d, input_dim, output_dim)`."""
        if not self.built:
            raise AttributeError(
                f"The layer '{self.name}' has no embeddings yet: call it on data, or `build` it "
                "first."
            )
        return self.kernel_parametrization.kernel()

    def call(self, inputs: Tensor) -> Tensor:
        """Look up integers `(batch, ...)`."""
        if keras.backend.standardize_dtype(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        d, size = self.algebra.dimension, self.input_dim
        # One gather in the table of all components, (d*input_dim, output_dim): row
        # k*input_dim + i is component k of entry i, so the result is component-major as it is.
        table = ops.reshape(self.embeddings, (d * size, self.output_dim))
        if d > 1:
            inputs = ops.where(inputs < 0, inputs + size, inputs)  # as `ops.take` counts
            first_rows = ops.convert_to_tensor([k * size for k in range(d)], dtype=inputs.dtype)
            inputs = ops.expand_dims(inputs, -1) + first_rows
        rows = ops.take(table, inputs, axis=0)
        return ops.cast(rows if d == 1 else layout.from_axis(rows), self.compute_dtype)

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Tensor | None:
        """False where the input is 0, if `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., d*output_dim)`."""
        return (*input_shape, self.algebra.dimension * self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor, without the initial `weights`."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "parametrization": parametrizations.serialize(self.parametrization),
        }

    def _set_table(self, weights: Any) -> None:
        (table,) = weights if isinstance(weights, list) and len(weights) == 1 else [weights]
        table = ops.convert_to_tensor(table, dtype=self.variable_dtype)
        expected = (self.algebra.dimension, self.input_dim, self.output_dim)
        expected = expected[1:] if self.algebra.dimension == 1 else expected
        if tuple(table.shape) != expected:
            raise ValueError(
                f"Expected `weights`, the initial table in the algebra '{self.algebra.name}', of "
                f"the shape {expected}. Received: weights of shape {tuple(table.shape)}"
            )
        whole = (self.algebra.dimension, self.input_dim, self.output_dim)
        self.kernel_parametrization.set_kernel(ops.reshape(table, whole))


@register
class AlgebraEmbedding(EmbeddingBody, keras.layers.Layer):
    """Turn non-negative integers into vectors of algebra elements, the rows of a trained table.

    `algebra="real"` equals `keras.layers.Embedding`.

    Args:
        input_dim: size of the vocabulary, the largest integer plus one.
        output_dim: number of elements of a row; the output's last axis is `d*output_dim`.
        embeddings_initializer: of the table; the components are drawn independently. Keras's
            variance-scaling names are scaled as for a dense kernel `(input_dim, output_dim)`.
        embeddings_regularizer: of the table's real components.
        embeddings_constraint: of the stored table `(d, input_dim, output_dim)`.
        mask_zero: whether 0 is padding, which later layers mask; index 0 is then not a word.
        weights: initial table, `(d, input_dim, output_dim)`, without the first axis when d = 1.
        lora_rank: not supported, must stay None.
        lora_alpha: not supported, must stay None.
        quantization_config: not supported, must stay None.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the table: None (`Cartesian`), a class name or an
            object such as `keras_phase.parametrizations.Polar("element")`, trained apart by
            amplitude and phase.
        **kwargs: of every Keras layer, `name`, `dtype` and `trainable`.

    Input shape:
        `(batch, ...)`, integers (others are truncated).

    Output shape:
        `(batch, ..., d*output_dim)`, component-major, in the layer's compute dtype.

    Raises:
        ValueError: if `input_dim` or `output_dim` is not positive, or `weights` has another shape.

    Example:

    >>> import keras
    >>> table = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]
    >>> layer = AlgebraEmbedding(2, 2, weights=keras.ops.array(table))
    >>> keras.ops.convert_to_numpy(layer(keras.ops.array([1]))).tolist()  # 3 + 7i, 4 + 8i
    [[3.0, 4.0, 7.0, 8.0]]
    """
