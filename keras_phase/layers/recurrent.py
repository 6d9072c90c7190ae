"""What the recurrent layers share: a cell, and the loop over time around it."""

from typing import Any

import keras
from keras import regularizers

from ..parametrizations import Parametrization
from .algebra_layer import AlgebraLayerMixin

Tensor = Any


def _from_cell(name: str) -> property:
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's `{name}`.")


class RecurrentBody(AlgebraLayerMixin):
    """The logic of the recurrent layers, for `keras.layers.RNN`: a cell and what is around it."""

    cell_class: type

    def __init__(self, cell: Any, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self._set_algebra(cell.algebra)
        self.input_spec = keras.layers.InputSpec(ndim=3)

    units = _from_cell("units")
    activation = _from_cell("activation")
    use_bias = _from_cell("use_bias")
    kernel_initializer = _from_cell("kernel_initializer")
    recurrent_initializer = _from_cell("recurrent_initializer")
    bias_initializer = _from_cell("bias_initializer")
    kernel_regularizer = _from_cell("kernel_regularizer")
    recurrent_regularizer = _from_cell("recurrent_regularizer")
    bias_regularizer = _from_cell("bias_regularizer")
    kernel_constraint = _from_cell("kernel_constraint")
    recurrent_constraint = _from_cell("recurrent_constraint")
    bias_constraint = _from_cell("bias_constraint")
    dropout = _from_cell("dropout")
    recurrent_dropout = _from_cell("recurrent_dropout")
    seed = _from_cell("seed")
    method = _from_cell("method")
    kernel = _from_cell("kernel")
    recurrent_kernel = _from_cell("recurrent_kernel")
    bias = _from_cell("bias")

    @property
    def parametrizations(self) -> list[Parametrization]:
        """None: the kernels belong to `cell`."""
        return []

    def build(self, sequences_shape: tuple, initial_state_shape: Any = None) -> None:
        """Create the cell's variables for `(batch, time, d*in)`."""
        self._num_elements(sequences_shape)
        super().build(sequences_shape, initial_state_shape)

    def inner_loop(
        self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """All products of the input at once, then the loop over time."""
        products = self.cell.prepare(sequences, training)
        try:
            return super().inner_loop(products, initial_state, mask, training=training)
        finally:
            self.cell.finish()

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config, of_cell = super().get_config(), self.cell.get_config()
        for name in ("name", "trainable", "dtype"):
            del of_cell[name]
        del config["cell"]
        regularizer = regularizers.serialize(self.activity_regularizer)
        return {**config, **of_cell, "activity_regularizer": regularizer}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer from `get_config`."""
        return cls(**config)


def check_use_cudnn(use_cudnn: Any) -> None:
    """Refuse what cannot be had.

    Raises:
        ValueError: if cuDNN is demanded, or the argument unknown.
    """
    if use_cudnn in ("auto", False):
        return
    raise ValueError(
        "Expected `use_cudnn` to be 'auto' or False, which are the same here: cuDNN has no "
        "recurrent layer over an algebra. For real numbers on a GPU take the layer of "
        f"keras.layers. Received: use_cudnn={use_cudnn!r}"
    )
