"""What all layers with a sliding window share."""

import inspect
from collections.abc import Iterable
from typing import Any

import keras
from keras import constraints, initializers, ops, regularizers

from .. import initializers as algebra_initializers
from .. import parametrizations
from ..ops import dispatch
from ..ops.convolution import output_size
from ..parametrizations import Parametrization
from .activation import ActivationHostMixin
from .dense import refuse_unsupported
from .reshaping import standardize_data_format

Tensor = Any

_NOUNS = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}


class WindowBody(ActivationHostMixin):
    """Window, kernels, bias and activation, as every convolution has them.

    A public class gives its `rank`: `class AlgebraConv2D(ConvolutionBody, Layer, rank=2)`.

    Attributes:
        rank: number of axes that the window slides along.
        kernel_prefixes: what the kernel arguments start with, `kernel_initializer` and so on.
    """

    rank: int
    kernel_prefixes: tuple[str, ...] = ("kernel",)
    _paddings = ("valid", "same")

    def __init_subclass__(cls, rank: int | None = None, **kwargs: Any):
        """Set the rank, and show the stock layer's defaults: 1 for rank 1, (1, 1) for rank 2."""
        super().__init_subclass__(**kwargs)
        if rank is not None:
            cls.rank = rank
        if getattr(cls, "rank", 1) > 1:
            _, *parameters = inspect.signature(cls.__init__).parameters.values()
            shown = [
                p.replace(default=(1,) * cls.rank)
                if p.name in ("strides", "dilation_rate") and p.default == 1
                else p
                for p in parameters
            ]
            cls.__signature__ = inspect.Signature(shown)

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        kernels: Iterable[tuple],
        bias: tuple,
        activity_regularizer: Any,
        *,
        algebra: Any,
        parametrization: Any,
        method: str,
        **kwargs: Any,
    ):
        lora = {name: kwargs.pop(name, None) for name in ("lora_rank", "lora_alpha")}
        refuse_unsupported(**lora)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_algebra(algebra)
        self.kernel_size = sizes(kernel_size, self.rank, "kernel_size")
        self.strides = sizes(strides, self.rank, "strides")
        self.dilation_rate = sizes(dilation_rate, self.rank, "dilation_rate")
        self.padding = _known_padding(padding, self._paddings)
        self.data_format = standardize_data_format(data_format)
        self._set_activation(activation)
        self.use_bias = use_bias
        for prefix, of_kernel in zip(self.kernel_prefixes, kernels, strict=True):
            self._set_weight_arguments(prefix, *of_kernel)
        self._set_weight_arguments("bias", *bias)
        self.parametrization = parametrizations.get(parametrization)
        self.method = method
        self._product = dispatch.get(method, self.algebra)
        self.bias = None
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def _set_weight_arguments(
        self, prefix: str, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        setattr(self, f"{prefix}_initializer", algebra_initializers.get(initializer))
        setattr(self, f"{prefix}_regularizer", regularizers.get(regularizer))
        setattr(self, f"{prefix}_constraint", constraints.get(constraint))

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    def _build_window(self, input_shape: tuple) -> int:
        """Check the input's shape; return the number of its elements."""
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) expects an input of rank "
                f"{self.rank + 2}: batch, {self.rank} axes to slide along, and channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        axis = self._channel_axis
        n = self._num_elements(input_shape, axis)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2, axes={axis: input_shape[axis]})
        return n

    def _build_kernel(self, prefix: str, shape: tuple, name: str = "kernel") -> Parametrization:
        return self.parametrization.build(
            self,
            self.algebra,
            shape,
            name=name,
            initializer=algebra_initializers.for_kernel(
                getattr(self, f"{prefix}_initializer"), self.algebra
            ),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
        )

    def _build_output(self, input_shape: tuple) -> None:
        """Create bias and activation."""
        shape = self.compute_output_shape(input_shape)
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(shape[self._channel_axis],),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._build_activation(shape)
        self.built = True

    def _finish(self, x: Tensor) -> Tensor:
        """Add the bias, apply the activation."""
        if self.bias is not None:
            bias = ops.convert_to_tensor(self.bias)
            if self._channel_axis == 1:
                bias = ops.reshape(bias, (1, -1, *(1,) * self.rank))
            x = ops.add(x, bias)
        return self._activate(x)

    def _effective(self, parametrization: str) -> Tensor:
        if not self.built:
            raise AttributeError(
                f"The layer '{self.name}' has no kernel yet: call it on data, or `build` it first."
            )
        return getattr(self, parametrization).kernel()

    def _output_shape(self, input_shape: tuple, elements: int) -> tuple:
        """Shape after the window has slid along an input, with that many elements."""
        places = input_shape[2:] if self._channel_axis == 1 else input_shape[1:-1]
        window = zip(places, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        found = tuple(self._output_size(i, *settings) for i, settings in enumerate(window))
        if any(size is not None and size <= 0 for size in found):
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) has no output: the window does "
                "not fit in its input. Expected larger inputs, a smaller `kernel_size` or "
                f"`dilation_rate`, or padding='same'. Received: input_shape={tuple(input_shape)}, "
                f"kernel_size={self.kernel_size}, dilation_rate={self.dilation_rate}, "
                f"padding={self.padding!r}"
            )
        channels = self.algebra.dimension * elements
        if self._channel_axis == 1:
            return (input_shape[0], channels, *found)
        return (input_shape[0], *found, channels)

    def _output_size(self, i: int, size: int | None, kernel: int, stride: int, dilation: int):
        return output_size(size, kernel, stride, self.padding, dilation)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        weights = {}
        for prefix in (*self.kernel_prefixes, "bias"):
            for noun, module in _NOUNS.items():
                weights[f"{prefix}_{noun}"] = module.serialize(getattr(self, f"{prefix}_{noun}"))
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "use_bias": self.use_bias,
            **weights,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "parametrization": parametrizations.serialize(self.parametrization),
            "method": self.method,
        }


def sizes(value: Any, rank: int, name: str, least: int = 1) -> tuple[int, ...]:
    """One number an axis, from one number or a sequence."""
    found = (value,) * rank if isinstance(value, int) else value
    whole = isinstance(found, list | tuple) and all(isinstance(v, int) for v in found)
    if not whole or len(found) != rank or min(found) < least:
        raise ValueError(
            f"Expected `{name}` to be an integer of at least {least}, or {rank} of them, one for "
            f"each axis that the window slides along. Received: {name}={value!r}"
        )
    return tuple(found)


def refuse_dilated_strides(strides: tuple[int, ...], dilation_rate: tuple[int, ...]) -> None:
    """Raise if both are above 1, which no backend computes."""
    if max(strides) > 1 and max(dilation_rate) > 1:
        raise ValueError(
            "`strides` above 1 cannot be combined with a `dilation_rate` above 1: set one of them "
            f"to 1. Received: strides={strides}, dilation_rate={dilation_rate}"
        )


def _known_padding(padding: Any, known: tuple[str, ...]) -> str:
    found = padding.lower() if isinstance(padding, str) else padding
    if found not in known:
        raise ValueError(
            f"Expected `padding` to be {' or '.join(map(repr, known))}"
            f"{'' if 'causal' in known else ' (causal padding is for AlgebraConv1D only)'}. "
            f"Received: padding={padding!r}"
        )
    return found
