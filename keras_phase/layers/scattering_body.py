"""What both scattering transforms share."""

import math
from typing import Any

import keras
from keras import ops

from ..ops import filtering
from ..ops.modulus import in_float32
from .arguments import require_positive
from .reshaping import standardize_data_format

Tensor = Any


class ScatteringBody:
    """What both scattering transforms share, for any Keras base class."""

    rank: int

    def __init__(
        self,
        J: int,
        max_order: int,
        log: bool,
        epsilon: float,
        data_format: str | None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        require_positive("the log2 of the averaging's support", J=J)
        if max_order not in (0, 1, 2):
            raise ValueError(
                f"Expected `max_order` to be 0, 1 or 2. Received: max_order={max_order!r}"
            )
        if not epsilon > 0:
            raise ValueError(
                "Expected a positive `epsilon`, which `log` adds to the coefficients. "
                f"Received: epsilon={epsilon}"
            )
        self.J = J
        self.max_order = max_order
        self.log = log
        self.epsilon = epsilon
        self.data_format = standardize_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def _places(self, shape: tuple) -> tuple[int, ...]:
        places = tuple(shape[2:] if self.data_format == "channels_first" else shape[1:-1])
        if None in places:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) needs inputs of a known size: "
                f"its filters depend on it. Received: input_shape={tuple(shape)}"
            )
        return places

    def call(self, inputs: Tensor) -> Tensor:
        """All coefficients, channel by channel."""
        y = in_float32(self._coefficients)(inputs)
        return ops.cast(y, self.compute_dtype)

    def _coefficients(self, x: Tensor) -> Tensor:
        first = self.data_format == "channels_first"
        x = x if first else ops.moveaxis(x, -1, 1)
        y = ops.concatenate(self._paths(x), axis=2)  # batch, channels, paths, *places
        if self.log:
            y = ops.log(y + self.epsilon)
        places = tuple(y.shape[3:])
        y = ops.reshape(y, (-1, y.shape[1] * y.shape[2], *places))
        return y if first else ops.moveaxis(y, 1, -1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, channels*paths)`."""
        places = self._output_places(self._places(input_shape))
        axis = 1 if self.data_format == "channels_first" else -1
        channels = input_shape[axis] * self.paths
        if axis == 1:
            return (input_shape[0], channels, *places)
        return (input_shape[0], *places, channels)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "J": self.J,
            "max_order": self.max_order,
            "log": self.log,
            "epsilon": self.epsilon,
            "data_format": self.data_format,
        }


def transformed(x: Tensor, rank: int = 2) -> tuple[Tensor, Tensor]:
    """Fourier transform of a real signal, as real and imaginary part."""
    return filtering.transform((x, ops.zeros_like(x)), rank)


def folded(pair: tuple[Tensor, Tensor], factor: int, rank: int) -> tuple[Tensor, Tensor]:
    """Spectrum of every `factor`-th place: the mean over the frequencies that become one."""
    if factor == 1:
        return pair
    return tuple(_mean_of_aliases(p, factor, rank) for p in pair)


def _mean_of_aliases(x: Tensor, factor: int, rank: int) -> Tensor:
    sizes = list(x.shape[1:])
    # One axis at a time, in four: LiteRT takes no mean over several of seven.
    for i in range(len(sizes) - rank, len(sizes)):
        sizes[i] //= factor
        after = math.prod(sizes[i + 1 :])
        x = ops.mean(ops.reshape(x, (-1, factor, sizes[i], after)), axis=1)
    return ops.reshape(x, (-1, *sizes))
