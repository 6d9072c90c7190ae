"""Dropout in recurrent cells: masks of whole elements, the same at all time steps."""

from typing import Any

import keras
from keras import ops

from ..algebras import Algebra
from ..ops import layout

Tensor = Any


class CellDropoutMixin:
    """The masks of a cell, of its input and of its state, under the names that Keras calls.

    Each is one mask for all gates, or one a gate where there is recurrent dropout, as in Keras's
    cells: with the same seed a cell with d = 1 drops the same numbers.
    """

    algebra: Algebra
    num_gates: int

    def _set_dropout(self, dropout: float, recurrent_dropout: float) -> None:
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self._dropout_mask = self._recurrent_dropout_mask = None

    def get_dropout_mask(self, step_input: Tensor) -> Any:
        """The masks of the input, drawn at their first use in a sequence; None without dropout."""
        if self._dropout_mask is None and self.dropout:
            self._dropout_mask = self._draw_masks(step_input, self.dropout)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input: Tensor) -> Any:
        """The masks of the state, drawn at their first use in a sequence; None without dropout."""
        if self._recurrent_dropout_mask is None and self.recurrent_dropout:
            self._recurrent_dropout_mask = self._draw_masks(step_input, self.recurrent_dropout)
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self) -> None:
        """Forget the masks of the input; `keras.layers.RNN` does so after every sequence."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Forget the masks of the state."""
        self._recurrent_dropout_mask = None

    def _draw_masks(self, x: Tensor, rate: float) -> list[Tensor]:
        """One mask, or one a gate where there is recurrent dropout, as Keras's cells do."""
        ones = ops.ones_like(layout.split(x, self.algebra.dimension)[0])
        return [
            layout.repeat(
                keras.random.dropout(ones, rate, seed=self.seed_generator), self.algebra.dimension
            )
            for _ in range(self.num_gates if self.recurrent_dropout else 1)
        ]


class KerasCell(keras.layers.SimpleRNNCell):
    """The Keras base of the cells.

    `keras.layers.RNN` draws dropout masks before its loop, and forgets them after it, only for
    cells that descend from Keras's own. Nothing else of `SimpleRNNCell` is used.
    """

    def __init__(self, **kwargs: Any):
        super(keras.layers.SimpleRNNCell, self).__init__(**kwargs)

    def get_config(self) -> dict[str, Any]:
        """Arguments of every Keras layer."""
        return super(keras.layers.SimpleRNNCell, self).get_config()


def check_rates(**rates: float) -> None:
    """Raise `ValueError` for a dropout rate outside [0, 1), given by its argument's name."""
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(
                f"Expected `{name}`, the fraction of elements to drop, to be at least 0 and below "
                f"1. Received: {name}={rate}"
            )


def dropped(x: Tensor, mask: Tensor | None) -> Tensor:
    """`x` times a mask `(batch, d*n)`, the same at all time steps if `x` has them."""
    if mask is None:
        return x
    return ops.multiply(x, mask if len(x.shape) == 2 else ops.expand_dims(mask, axis=1))
