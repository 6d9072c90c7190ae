"""Twins of attention and of what it is made of."""

from typing import Any

import tf_keras
from tf_keras.layers import Layer

from ..layers.attention import MultiHeadAttentionBody
from ..layers.projection import ProjectionBody
from ..layers.rotary import RotaryPhaseEncodingBody
from .base import LegacyKernelMixin, LegacyMixin, register

Tensor = Any

__all__ = ["AlgebraMultiHeadAttention", "RotaryPhaseEncoding"]


@register
class AlgebraProjection(LegacyMixin, ProjectionBody, Layer):
    """`keras_phase.layers.AlgebraProjection` for tf_keras."""


@register
class RotaryPhaseEncoding(LegacyMixin, RotaryPhaseEncodingBody, Layer):
    """`keras_phase.RotaryPhaseEncoding` for tf_keras."""


@register
class AlgebraMultiHeadAttention(LegacyKernelMixin, MultiHeadAttentionBody, Layer):
    """`keras_phase.AlgebraMultiHeadAttention` for tf_keras.

    Without a value, the query attends to itself; so TF-MOT's wrapper builds and calls it.
    """

    _stock_layers = tf_keras.layers
    _projection_class = AlgebraProjection
    _rotary_class = RotaryPhaseEncoding

    def __call__(self, query: Tensor, value: Any = None, key: Any = None, **kwargs: Any) -> Any:
        """Build from the shapes of all inputs, of which tf_keras tells only the first one's."""
        value = query if value is None else value
        if not self.built:
            with tf_keras.backend.name_scope(self.name):
                self.build([t.shape for t in (query, value, value if key is None else key)])
        return super().__call__(query, value, key, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Create the variables, for the shape of the query or a list of query, value and key."""
        if self.built:
            return
        shapes = input_shape if isinstance(input_shape, list) else [input_shape] * 3
        # What a SavedModel builds it by.
        self._build_input_shape = [list(s) for s in shapes]
        MultiHeadAttentionBody.build(self, *map(tuple, shapes))
        if self.pruning_criterion is not None:
            self._add_gates()

    def get_build_config(self) -> dict[str, Any]:
        """The shapes of all inputs."""
        return {"input_shape": self._build_input_shape}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Create the variables."""
        self.build(list(config["input_shape"]))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor; of `rotary` its own ones."""
        return {**super().get_config(), "rotary": self.rotary and self.rotary.get_config()}

    def _own_rotary(self, rotary: Any) -> RotaryPhaseEncoding | None:
        if isinstance(rotary, dict):
            rotary = RotaryPhaseEncoding.from_config(rotary)
        return super()._own_rotary(rotary)

    def _projection(self, name: str, *args: Any, **kwargs: Any) -> AlgebraProjection:
        # HDF5 files need the variables under names of their own.
        with tf_keras.backend.name_scope(name):
            return super()._projection(name, *args, **kwargs)

    @property
    def parametrizations(self) -> list[Any]:
        """Of the projections, which tf_keras shows to nobody else."""
        names = ("query", "key", "gate", "value", "output")
        layers = [getattr(self, f"_{name}_dense", None) for name in names]
        return [p for layer in layers if layer is not None for p in layer.parametrizations]

    def call(
        self,
        query: Tensor,
        value: Tensor | None = None,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attend from `query` to `key` and `value`; the query to itself without a value."""
        self.renew_scores(training)
        value = query if value is None else value
        key = value if key is None else key
        return MultiHeadAttentionBody.call(
            self,
            query,
            value,
            key,
            _mask_of(query) if query_mask is None else query_mask,
            _mask_of(value) if value_mask is None else value_mask,
            _mask_of(key) if key_mask is None else key_mask,
            attention_mask,
            return_attention_scores,
            bool(training),
            use_causal_mask,
        )


def _mask_of(x: Tensor) -> Tensor | None:
    # As tf_keras's own attention: a call is handed the mask of its first input alone.
    return getattr(x, "_keras_mask", None)
