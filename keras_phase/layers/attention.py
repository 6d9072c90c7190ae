"""Multi-head attention over an algebra."""

import math
from typing import Any

import keras
from keras import constraints, initializers, ops, regularizers

from .. import initializers as algebra_initializers
from .. import parametrizations
from ..ops import attention, dispatch, layout
from .algebra_layer import AlgebraLayerMixin, register
from .arguments import require_positive
from .projection import AlgebraProjection
from .rotary import RotaryPhaseEncoding

Tensor = Any


class MultiHeadAttentionBody(AlgebraLayerMixin):
    """The logic of `AlgebraMultiHeadAttention`, for any Keras base class."""

    _stock_layers: Any = keras.layers
    _projection_class = AlgebraProjection
    _rotary_class = RotaryPhaseEncoding

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | tuple | None = None,
        attention_axes: int | tuple | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        rotary: Any = None,
        **kwargs: Any,
    ):
        value_dim = key_dim if value_dim is None else value_dim
        require_positive(num_heads=num_heads, key_dim=key_dim, value_dim=value_dim)
        if sliding_window is not None:
            require_positive(sliding_window=sliding_window)
        if not 0 <= dropout <= 1:
            raise ValueError(
                "Expected `dropout`, the fraction of attention weights to drop, between 0 and 1. "
                f"Received: dropout={dropout}"
            )
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        dispatch.get(method, self.algebra)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.dropout = dropout
        self.use_bias = use_bias
        self._output_elements = _as_tuple("output_shape", output_shape)
        require_positive(output_shape=self._output_elements or ())
        self.attention_axes = _as_tuple("attention_axes", attention_axes)
        self.sliding_window = sliding_window
        self.flash_attention = flash_attention
        self.kernel_initializer = algebra_initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self._projections_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.use_gate = use_gate
        self.seed = seed
        self.parametrization = parametrizations.get(parametrization)
        self.method = method
        self.rotary = self._own_rotary(rotary)
        self._flash = attention.flash_setting(flash_attention, dropout)
        self._scale = 1.0 / math.sqrt(self.algebra.dimension * key_dim)
        self.supports_masking = True

    def build(self, query_shape: tuple, value_shape: tuple, key_shape: tuple | None = None) -> None:
        """Create the variables for inputs of those shapes."""
        key_shape = value_shape if key_shape is None else key_shape
        self._axes = self._check_shapes(query_shape, value_shape, key_shape)
        rank, count = len(query_shape), len(self._axes)
        keys, values = (self.num_heads, self.key_dim), (self.num_heads, self.value_dim)
        self._query_dense = self._projection("query", query_shape, keys)
        self._key_dense = self._projection("key", key_shape, keys)
        if self.use_gate:
            real = {"algebra": "real", "parametrization": None, "method": "auto"}
            self._gate_dense = self._projection(
                "gate", query_shape, values, query_shape[-1:], activation="sigmoid", **real
            )
        self._value_dense = self._projection("value", value_shape, values)
        # 16-bit scores are normalised in float32.
        half = self.compute_dtype in ("float16", "bfloat16")
        dtype = "float32" if half else self.dtype_policy
        self._softmax = self._stock_layers.Softmax(tuple(range(rank, rank + count)), dtype=dtype)
        self._dropout_layer = self._stock_layers.Dropout(self.dropout, seed=self.seed, dtype=dtype)
        context = (*query_shape[:-1], self.num_heads, self.algebra.dimension * self.value_dim)
        output = self._output_elements or (self._num_elements(query_shape),)
        self._output_dense = self._projection("attention_output", context, output, values)
        if self.rotary is not None:
            self.rotary.build(self._query_dense.compute_output_shape(query_shape))
        self._equations = attention.equations(rank + 1, self._axes)
        self.built = True

    @property
    def query_dense(self) -> AlgebraProjection:
        """The projection of the queries, kernel `(d, in, heads, key_dim)`."""
        return self._query_dense

    @property
    def key_dense(self) -> AlgebraProjection:
        """The projection of the keys, kernel `(d, in, heads, key_dim)`."""
        return self._key_dense

    @property
    def value_dense(self) -> AlgebraProjection:
        """The projection of the values, kernel `(d, in, heads, value_dim)`."""
        return self._value_dense

    @property
    def output_dense(self) -> AlgebraProjection:
        """The projection of the heads, kernel `(d, heads, value_dim, *output_shape)`."""
        return self._output_dense

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attend from `query` `(batch, ..., d*in)` to `key` and `value`."""
        key = value if key is None else key
        masks = {"query_mask": query_mask, "value_mask": value_mask, "key_mask": key_mask}
        masks = {name: mask for name, mask in masks.items() if mask is not None}
        fused = attention.can_fuse(len(query.shape), self.key_dim, self.value_dim)
        fused = fused and not (self.dropout > 0 or return_attention_scores)
        # Alone, causality is left to the fused operation, which may know a faster way.
        alone = not masks and attention_mask is None and self.sliding_window is None
        flag = fused and alone and use_causal_mask
        mask = attention.mask(
            (ops.shape(query), ops.shape(value)),
            self._axes,
            masks,
            attention_mask,
            causal=use_causal_mask and not flag,
            window=self.sliding_window,
        )
        q, k, v = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        if self.rotary is not None:
            q, k = self.rotary(q), self.rotary(k)
        if fused:
            flash = {} if self._flash is None else {"flash_attention": self._flash}
            y = attention.FUSED(q, k, v, mask=mask, scale=self._scale, is_causal=flag, **flash)
            weights = None
        else:
            y, weights = self._attend(q, k, v, mask, training)
        if self.use_gate:
            y = ops.multiply(y, layout.repeat(self._gate_dense(query), self.algebra.dimension))
        y = self._output_dense(y)
        return (y, weights) if return_attention_scores else y

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Any, training: Any
    ) -> tuple[Tensor, Tensor]:
        if self._flash:
            raise ValueError(
                "Flash attention gives no attention scores, and takes inputs of rank 3. Leave "
                f"`flash_attention` at None. Received: flash_attention={self.flash_attention}, "
                f"query of rank {len(query.shape) - 1}"
            )
        query = ops.multiply(query, ops.cast(self._scale, query.dtype))
        weights = self._softmax(ops.einsum(self._equations[0], key, query), mask=mask)
        kept = self._dropout_layer(weights, training=training) if self.dropout > 0 else weights
        y = ops.einsum(self._equations[1], ops.cast(kept, value.dtype), value)
        return y, ops.cast(weights, value.dtype)

    def compute_output_shape(
        self, query_shape: tuple, value_shape: tuple, key_shape: tuple | None = None
    ) -> tuple:
        """The query's shape, with the channels of `output_shape` where that is given."""
        self._check_shapes(
            query_shape, value_shape, value_shape if key_shape is None else key_shape
        )
        *others, last = self._output_elements or (self._num_elements(query_shape),)
        return (*query_shape[:-1], *others, self.algebra.dimension * last)

    def compute_output_spec(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        *args: Any,
        return_attention_scores: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Shapes and dtypes of the output, and of the scores where they are asked for."""
        shapes = (query.shape, value.shape, value.shape if key is None else key.shape)
        output = keras.KerasTensor(self.compute_output_shape(*shapes), dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        axes = self._check_shapes(*shapes)
        others = [n for i, n in enumerate(query.shape[:-1]) if i not in axes]
        pairs = [*(query.shape[a] for a in axes), *(value.shape[a] for a in axes)]
        scores = (*others, self.num_heads, *pairs)
        return output, keras.KerasTensor(scores, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        rotary = self.rotary and keras.saving.serialize_keras_object(self.rotary)
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": self._output_elements,
            "attention_axes": self.attention_axes,
            "sliding_window": self.sliding_window,
            "flash_attention": self.flash_attention,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self._projections_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "use_gate": self.use_gate,
            "seed": self.seed,
            "parametrization": parametrizations.serialize(self.parametrization),
            "method": self.method,
            "rotary": rotary,
        }

    def _check_shapes(self, *shapes: tuple) -> tuple[int, ...]:
        """The attended axes of query, value and key, after checking that these fit together."""
        for shape in shapes:
            self._num_elements(shape)
        axes = attention.attended_axes(self.attention_axes, *shapes)
        if self.rotary is not None:
            attention.require_one_axis("rotary", axes)
        return axes

    def _projection(
        self, name: str, shape: tuple, outputs: tuple, inputs: tuple | None = None, **changes: Any
    ) -> AlgebraProjection:
        arguments = {
            "use_bias": self.use_bias,
            "kernel_initializer": _fresh(self.kernel_initializer),
            "bias_initializer": _fresh(self.bias_initializer),
            "kernel_regularizer": self.kernel_regularizer,
            "bias_regularizer": self.bias_regularizer,
            "activity_regularizer": self._projections_regularizer,
            "kernel_constraint": self.kernel_constraint,
            "bias_constraint": self.bias_constraint,
            "algebra": self.algebra,
            "parametrization": self.parametrization,
            "method": self.method,
            "dtype": self.dtype_policy,
        }
        inputs = (self._num_elements(shape),) if inputs is None else inputs
        layer = self._projection_class(inputs, outputs, name=name, **{**arguments, **changes})
        layer.build(shape)
        return layer

    def _own_rotary(self, rotary: Any) -> RotaryPhaseEncoding | None:
        """A copy of what was given, along the attended axis of the heads."""
        if rotary is None or rotary is False:
            return None
        if rotary is True:
            rotary = self._rotary_class(algebra=self.algebra)
        if isinstance(rotary, dict):
            rotary = keras.saving.deserialize_keras_object(rotary)
        if not isinstance(rotary, self._rotary_class) or rotary.algebra != self.algebra:
            raise ValueError(
                "Expected `rotary` to be None, True, a `RotaryPhaseEncoding` in the layer's "
                f"algebra '{self.algebra.name}', or its config. Received: rotary={rotary!r}"
            )
        axis = (self.attention_axes or (1,))[0]
        changes = {"axis": axis - 1 if axis < 0 else axis, "name": "rotary"}
        config = {**rotary.get_config(), **changes, "dtype": self.dtype_policy}
        return type(rotary).from_config(config)


@register
class AlgebraMultiHeadAttention(MultiHeadAttentionBody, keras.layers.Layer):
    """Multi-head attention between vectors of algebra elements, with real scores.

    Queries, keys and values are dense projections over the algebra, the weight on the left. The
    score of a query `q` and a key `k` is the Euclidean inner product of their real components,

        s(q, k) = sum_i <q_i, k_i> / sqrt(d key_dim),

    the real part of `q_i conj(k_i)` for complex numbers, quaternions and octonions. Components of
    variance 1 have scores of variance 1. Attention weights `softmax(s)` are real and multiply whole
    values, so they change no phase; turning all inputs by one phase turns the output by it (with a
    complex algebra and without biases).

    `algebra="real"` equals `keras.layers.MultiHeadAttention`, weight for weight.

    Args:
        num_heads: number of heads.
        key_dim: elements of a head's queries and keys.
        value_dim: elements of a head's values; None is `key_dim`.
        dropout: fraction of attention weights to drop in training.
        use_bias: whether the projections add a bias.
        output_shape: elements of the output, an integer or several; None is the query's.
        attention_axes: axes to attend over; None is all between batch and channels.
        sliding_window: see only positions less than this away; None is no limit.
        flash_attention: True requires flash attention, False forbids it, None leaves it to Keras.
        kernel_initializer: of the projections, each with the fans of its matrix.
        bias_initializer: of their biases.
        kernel_regularizer: of their kernels.
        bias_regularizer: of their biases.
        activity_regularizer: of their outputs.
        kernel_constraint: of their stored kernels; components are the first axis.
        bias_constraint: of their biases.
        use_gate: multiply the values that arrive by `sigmoid` of a real projection of the query,
            one real number in (0, 1) for each element.
        seed: of the dropout.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make each kernel, see `AlgebraDense`.
        method: how the projections are computed, see `AlgebraDense`.
        rotary: True, a `RotaryPhaseEncoding` or its config: turn queries and keys by their
            positions along the attended axis, so that scores depend on distances.
        **kwargs: of every Keras layer.

    Call arguments:
        query: `(batch, positions, d*in)`.
        value: `(batch, source positions, d*in)`.
        key: like `value`, which it is by default.
        query_mask, value_mask, key_mask: `(batch, positions)`, False at padding; taken from the
            tensors where they carry one.
        attention_mask: `(batch, positions, source positions)`, False where attention is forbidden;
            the batch may be missing, heads may follow it.
        return_attention_scores: whether to return the attention weights too.
        training: whether to drop.
        use_causal_mask: whether positions see none after themselves.

    Output shape:
        `(batch, positions, d*in)`, or the elements of `output_shape`; then, if asked for, attention
        weights `(batch, heads, positions, source positions)`. Under mixed precision the softmax is
        computed in float32.

    Raises:
        ValueError: if a size is not positive, a last axis not a multiple of `d`, or a shape, mask
            or axis does not fit.

    Reference:
        Vaswani et al., "Attention is all you need", arXiv 1706.03762, section 3.2.
        Hoffmann et al., "AlgebraNets", arXiv 2006.07360 (Transformers over algebras).

    Example:

    >>> import keras
    >>> layer = AlgebraMultiHeadAttention(num_heads=2, key_dim=3, algebra="complex", rotary=True)
    >>> x = keras.ops.ones((2, 5, 2 * 4))
    >>> layer(x, x, use_causal_mask=True).shape, layer.query_dense.kernel.shape
    (TensorShape([2, 5, 8]), TensorShape([2, 4, 2, 3]))
    """


def _fresh(initializer: Any) -> Any:
    """A copy that draws other numbers, unless it has a seed, as the stock layer makes one."""
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    return type(initializer).from_config(initializer.get_config())


def _as_tuple(name: str, value: Any) -> tuple[int, ...] | None:
    """Integers as a tuple, None as it is."""
    if value is None:
        return None
    values = (value,) if isinstance(value, int) else value
    if not isinstance(values, list | tuple) or not all(type(n) is int for n in values):
        raise ValueError(
            f"Expected `{name}` to be None, an integer or several. Received: {name}={value!r}"
        )
    return tuple(values)
