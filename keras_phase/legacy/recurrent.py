"""Twins of the recurrent layers and their cells."""

from typing import Any

from keras import ops
from tf_keras.layers import RNN, Layer

from ..layers.gru import GRUBody, GRUCellBody
from ..layers.lstm import LSTMBody, LSTMCellBody
from ..layers.simple_rnn import SimpleRNNBody, SimpleRNNCellBody
from .base import LegacyKernelMixin, LegacyMixin, register

Tensor = Any

__all__ = [
    "AlgebraGRU",
    "AlgebraGRUCell",
    "AlgebraLSTM",
    "AlgebraLSTMCell",
    "AlgebraSimpleRNN",
    "AlgebraSimpleRNNCell",
]


class LegacyCellMixin(LegacyKernelMixin):
    """A cell, for the layers below and for `tf_keras.layers.RNN`.

    In the latter each time step draws its own dropout masks.
    """

    def call(self, inputs: Tensor, states: Any, training: Any = None) -> tuple[Tensor, Any]:
        """One step."""
        alone = self._prepared is None
        try:
            # Past the mixin of the layers without states.
            return super(LegacyKernelMixin, self).call(inputs, states, training=bool(training))
        finally:
            if alone:
                self.forget_masks()

    def forget_masks(self) -> None:
        """Draw new masks when they are asked for again."""
        self.reset_dropout_mask()
        self.reset_recurrent_dropout_mask()

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> list[Tensor]:
        """Zeros."""
        return super().get_initial_state(batch_size)


class LegacyRNN(RNN):
    """`tf_keras.layers.RNN` as the bodies expect it."""

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Create the variables; initial states need none."""
        super().build(sequences_shape)


class LegacyRecurrentMixin(LegacyMixin):
    """For layers with a cell: its gates, and its products for all time steps at once."""

    def __init__(self, *args: Any, pruning_criterion: str | None = None, **kwargs: Any):
        if kwargs.get("time_major"):
            raise ValueError(
                f"{type(self).__name__} takes sequences `(batch, time, channels)`. Leave "
                "`time_major` at False. Received: time_major=True"
            )
        super().__init__(*args, **kwargs)
        self.cell.pruning_criterion = pruning_criterion
        self.input_spec = [self.input_spec]

    @property
    def pruning_criterion(self) -> str | None:
        """The cell's."""
        return self.cell.pruning_criterion

    @property
    def parametrizations(self) -> list[Any]:
        """The cell's, where tf_keras tells no owner."""
        return self.cell.parametrizations

    def call(
        self,
        inputs: Tensor,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """All products of the input at once, then the loop over time."""
        sequences, *states = inputs if isinstance(inputs, list | tuple) else [inputs]
        cell = self.cell
        cell.renew_scores(training)
        if training:
            # Before the loop, and in Keras's order.
            cell.get_dropout_mask(sequences[:, 0])
            size = (ops.shape(sequences)[0], cell.output_size)
            cell.get_recurrent_dropout_mask(ops.zeros(size, cell.compute_dtype))
        products = cell.prepare(sequences, bool(training))
        try:
            return super().call(
                [products, *states] if states else products,
                mask=mask,
                training=training,
                initial_state=initial_state,
                constants=constants,
            )
        finally:
            cell.finish()
            cell.forget_masks()

    def get_prunable_weights(self) -> list[Any]:
        """The cell's gates."""
        return self.cell.get_prunable_weights(self)

    def fold_pruning(self) -> None:
        """Put the pruned values into the cell's kernels."""
        self.cell.fold_pruning()


@register
class AlgebraGRUCell(LegacyCellMixin, GRUCellBody, Layer):
    """`keras_phase.AlgebraGRUCell` for tf_keras."""


@register
class AlgebraGRU(LegacyRecurrentMixin, GRUBody, LegacyRNN):
    """`keras_phase.AlgebraGRU` for tf_keras."""

    cell_class = AlgebraGRUCell


@register
class AlgebraLSTMCell(LegacyCellMixin, LSTMCellBody, Layer):
    """`keras_phase.AlgebraLSTMCell` for tf_keras."""


@register
class AlgebraLSTM(LegacyRecurrentMixin, LSTMBody, LegacyRNN):
    """`keras_phase.AlgebraLSTM` for tf_keras."""

    cell_class = AlgebraLSTMCell


@register
class AlgebraSimpleRNNCell(LegacyCellMixin, SimpleRNNCellBody, Layer):
    """`keras_phase.AlgebraSimpleRNNCell` for tf_keras."""


@register
class AlgebraSimpleRNN(LegacyRecurrentMixin, SimpleRNNBody, LegacyRNN):
    """`keras_phase.AlgebraSimpleRNN` for tf_keras."""

    cell_class = AlgebraSimpleRNNCell
