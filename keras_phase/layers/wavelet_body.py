"""What layers with a filter bank share."""

from typing import Any

import keras
import numpy as np
from keras import ops

from .. import algebras
from ..ops import filtering, layout
from ..ops.filtering import filtered
from ..ops.wavelet_modulus import wavelet_modulus
from ..wavelets import FilterBank, filter_bank
from .algebra_layer import AlgebraLayerMixin
from .reshaping import standardize_data_format
from .window import sizes

Tensor = Any

TRAINABLE = {"scale": "sigma", "frequency": "frequency", "angle": "angle"}


class BankBody(AlgebraLayerMixin):
    """A layer that holds a filter bank; a public class gives its `rank`."""

    rank: int

    def __init_subclass__(cls, rank: int | None = None, **kwargs: Any):
        """Set the number of axes."""
        super().__init_subclass__(**kwargs)
        if rank is not None:
            cls.rank = rank

    def __init__(
        self,
        bank: Any = "morlet",
        scales: int = 1,
        angles: int | None = None,
        strides: Any = 1,
        *,
        algebra: Any = "complex",
        quality: int = 1,
        window: int | None = None,
        normalization: str | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self._bank_arguments = {
            "scales": scales,
            "angles": angles,
            "quality": quality,
            "window": window,
        }
        self.bank = _make(bank, self.rank, self._bank_arguments)
        self._given_bank = bank if isinstance(bank, str) else self.bank.get_config()
        if normalization is not None:
            self.bank = self.bank.normalized(normalization)
        self.normalization = normalization
        if not self.bank.is_real:
            _require_complex(self.algebra)
        self.strides = sizes(strides, self.rank, "strides")
        self.data_format = standardize_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    @property
    def coefficient_dimension(self) -> int:
        """Real numbers in a coefficient: 2 for complex wavelets, else the algebra's dimension."""
        return self.algebra.dimension if self.bank.is_real else 2

    def _places(self, shape: tuple) -> tuple:
        return tuple(shape[2:] if self._channel_axis == 1 else shape[1:-1])

    def _shape(self, input_shape: tuple, places: tuple, channels: int) -> tuple:
        if self._channel_axis == 1:
            return (input_shape[0], channels, *places)
        return (input_shape[0], *places, channels)

    def _last(self, x: Tensor) -> Tensor:
        return x if self._channel_axis == -1 else ops.moveaxis(x, 1, -1)

    def _first(self, x: Tensor) -> Tensor:
        return x if self._channel_axis == -1 else ops.moveaxis(x, -1, 1)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "bank": self._given_bank,
            **self._bank_arguments,
            "strides": self.strides,
            "normalization": self.normalization,
            "data_format": self.data_format,
        }


class WaveletBody(BankBody):
    """What the transform and its modulus share, for any Keras base class."""

    def __init__(
        self,
        bank: Any = "morlet",
        scales: int = 1,
        angles: int | None = None,
        strides: Any = 1,
        *,
        algebra: Any = "complex",
        quality: int = 1,
        window: int | None = None,
        padding: str = "reflect",
        normalization: str | None = None,
        train: Any = (),
        method: str = "auto",
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            bank,
            scales,
            angles,
            strides,
            algebra=algebra,
            quality=quality,
            window=window,
            normalization=normalization,
            data_format=data_format,
            **kwargs,
        )
        filtering.PADDINGS.get(padding)
        if method != "auto":
            filtering.METHODS.get(method)
        self.padding = padding
        self.method = method
        self.train = _trained(train, self.bank)

    def build(self, input_shape: tuple) -> None:
        """Check the size of the signals; create what is trained of the filters."""
        self._num_elements(input_shape, self._channel_axis)
        self._check(input_shape)
        self._trained = {}
        if self.train == "free":
            waves = self.bank.filters[1:]
            start = np.stack([waves.real, waves.imag][: 1 if self.bank.is_real else 2])
            self._trained["filters"] = self._add_start("filters", start)
        else:
            for name in self.train:
                start = getattr(self.bank.parameters, TRAINABLE[name])
                self._trained[name] = self._add_start(name, start)
        self.built = True

    def _add_start(self, name: str, start: np.ndarray) -> Any:
        def initializer(shape: tuple, dtype: Any = None) -> Tensor:
            return ops.convert_to_tensor(start, dtype=dtype)

        # The filters are computed in full precision whatever the inputs have.
        return self.add_weight(
            name=name, shape=start.shape, initializer=initializer, autocast=False
        )

    def _check(self, input_shape: tuple) -> None:
        try:
            filtering.check_fits(
                self._places(input_shape), self.bank.window, self.strides, self.padding
            )
        except ValueError as error:
            raise ValueError(f"The layer '{self.name}' ({type(self).__name__}): {error}") from None

    @property
    def filters(self) -> tuple[Any, Any]:
        """Real and imaginary parts of the wavelets, `(wavelets, *window)`, None for what is 0."""
        if self.train == "free":
            parts = ops.unstack(ops.convert_to_tensor(self._trained["filters"]))
        elif self.train:
            parts = self._from_parameters()
        else:
            parts = [self.bank.filters[1:].real, self.bank.filters[1:].imag]
        return parts[0], None if self.bank.is_real else parts[1]

    def _from_parameters(self) -> tuple[Tensor, Tensor]:
        shape = (-1,) + (1,) * self.rank
        columns = []
        for name in ("sigma", "frequency", "angle", "slant"):
            values = getattr(self.bank.parameters, name)
            for weight, parameter in TRAINABLE.items():
                if parameter == name and weight in self._trained:
                    values = self._trained[weight]
            columns.append(ops.reshape(ops.convert_to_tensor(values, dtype="float32"), shape))
        points = [ops.convert_to_tensor(p, dtype="float32") for p in self.bank.points()]
        return self.bank.mother(points, *columns, xp=ops)

    def _parts(self, inputs: Tensor) -> list[Tensor]:
        return layout.split(self._last(inputs), self.algebra.dimension)

    @property
    def _settings(self) -> dict[str, Any]:
        return {"strides": self.strides, "padding": self.padding, "method": self.method}

    def low_pass_coefficients(self, inputs: Tensor) -> list[Tensor]:
        """Components of the low-pass coefficients, `(batch, *places, n)`."""
        real = self.bank.filters[:1].real
        return [p[..., 0] for p in filtered(self._parts(inputs), real, **self._settings)]

    def wavelet_coefficients(self, inputs: Tensor) -> list[Tensor]:
        """Components of the wavelet coefficients, `(batch, *places, n*wavelets)`."""
        found = filtered(self._parts(inputs), *self.filters, **self._settings)
        return [self._flat(p) for p in found]

    def wavelet_moduli(self, inputs: Tensor) -> Tensor:
        """Moduli of the wavelet coefficients, `(batch, *places, n*wavelets)`."""
        return self._flat(wavelet_modulus(self._parts(inputs), *self.filters, **self._settings))

    def _flat(self, y: Tensor) -> Tensor:
        """Channels and wavelets, the last axes, as one."""
        return ops.reshape(y, (-1, *y.shape[1:-2], y.shape[-2] * y.shape[-1]))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "padding": self.padding,
            "train": self.train,
            "method": self.method,
        }


def _make(bank: Any, rank: int, arguments: dict[str, Any]) -> FilterBank:
    if isinstance(bank, str):
        return filter_bank(bank, rank=rank, **arguments)
    if isinstance(bank, dict):
        bank = FilterBank.from_config(bank)
    if not isinstance(bank, FilterBank):
        raise TypeError(
            "Expected `bank` to be the name of a filter bank or a `FilterBank`. "
            f"Received: bank={bank!r}"
        )
    if bank.rank != rank:
        raise ValueError(
            f"Expected filters along {rank} axes. Received: a bank with the window {bank.window}"
        )
    defaults = {"scales": 1, "angles": None, "quality": 1, "window": None}
    if arguments != defaults:
        raise ValueError(
            "A bank of your own has its scales, angles and window already: leave these arguments "
            f"out. Received: {arguments}"
        )
    return bank


def _trained(train: Any, bank: FilterBank) -> Any:
    if train == "free":
        return "free"
    names = (train,) if isinstance(train, str) else tuple(train or ())
    if not set(names) <= set(TRAINABLE):
        raise ValueError(
            "Expected `train` to be 'free' or some of 'scale', 'frequency' and 'angle'. "
            f"Received: train={train!r}"
        )
    if names and bank.parameters is None:
        raise ValueError(
            f"The filters of the bank '{bank.name}' are numbers without a closed form, so they "
            "have no scale, frequency or angle to train (a normalised bank is such a one). Use "
            f"train='free', or a Morlet bank without `normalization`. Received: train={train!r}"
        )
    return names


def _require_complex(algebra: Any) -> None:
    if algebra.dimension != 1 and algebra != algebras.get("complex"):
        raise ValueError(
            "Complex wavelets act on real or complex signals. Use algebra='real' or 'complex', or "
            f"a real bank such as 'haar'. Received: algebra='{algebra.name}'"
        )
