"""Wavelet transforms and their moduli, in one and two dimensions."""

from typing import Any

import keras
import numpy as np
from keras import ops

from .. import algebras
from ..ops import filtering, layout
from ..ops.modulus import modulus_axis
from ..wavelets import FilterBank, filter_bank
from .algebra_layer import AlgebraLayerMixin, register
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

    def _analyse(self, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Components of the low-pass and of the wavelet coefficients, `(batch, *places, n)`."""
        parts = layout.split(self._last(inputs), self.algebra.dimension)
        settings = {"strides": self.strides, "padding": self.padding, "method": self.method}
        low = filtering.filtered(parts, self.bank.filters[:1].real, **settings)
        high = filtering.filtered(parts, *self.filters, **settings)
        places = filtering.output_places(parts[0].shape[1:-1], self.strides)
        channels = parts[0].shape[-1] * self.bank.wavelets
        flat = [ops.reshape(p, (-1, *places, channels)) for p in high]
        return [p[..., 0] for p in low], flat

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "padding": self.padding,
            "train": self.train,
            "method": self.method,
        }


class WaveletTransformBody(WaveletBody):
    """The logic of `WaveletTransform1D` and `2D`, for any Keras base class."""

    def call(self, inputs: Tensor) -> Tensor:
        """Low-pass coefficients of all channels, then the wavelet coefficients."""
        low, high = self._analyse(inputs)
        low += [ops.zeros_like(low[0])] * (self.coefficient_dimension - len(low))
        pairs = zip(low, high, strict=True)
        y = layout.merge([ops.concatenate(p, axis=-1) for p in pairs])
        return self._first(y)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, coefficient_dimension*n*(1 + wavelets))`."""
        n = self._num_elements(input_shape, self._channel_axis)
        self._check(input_shape)
        places = filtering.output_places(self._places(input_shape), self.strides)
        channels = self.coefficient_dimension * n * (1 + self.bank.wavelets)
        return self._shape(input_shape, places, channels)


class WaveletModulusBody(WaveletBody):
    """The logic of `WaveletModulus1D` and `2D`, for any Keras base class."""

    def __init__(
        self,
        bank: Any = "morlet",
        scales: int = 1,
        angles: int | None = None,
        strides: Any = 1,
        *,
        algebra: Any = "complex",
        low_pass: bool = True,
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
            padding=padding,
            normalization=normalization,
            train=train,
            method=method,
            data_format=data_format,
            **kwargs,
        )
        self.low_pass = low_pass

    def call(self, inputs: Tensor) -> Tensor:
        """Low-pass coefficients, if kept, then the moduli of the wavelet coefficients."""
        low, high = self._analyse(inputs)
        collapsed = modulus_axis(ops.stack(high, axis=-2), axis=-2)
        if not self.low_pass:
            return self._first(collapsed)
        others = ops.zeros_like(collapsed)
        moduli = [collapsed, *(others for _ in low[1:])]
        pairs = zip(low, moduli, strict=True)
        return self._first(layout.merge([ops.concatenate(p, axis=-1) for p in pairs]))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, d*n*(1 + wavelets))`, or `n*wavelets` channels without the low-pass."""
        n = self._num_elements(input_shape, self._channel_axis)
        self._check(input_shape)
        places = filtering.output_places(self._places(input_shape), self.strides)
        channels = n * self.bank.wavelets
        if self.low_pass:
            channels = self.algebra.dimension * (n + channels)
        return self._shape(input_shape, places, channels)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "low_pass": self.low_pass}


@register
class WaveletTransform1D(WaveletTransformBody, keras.layers.Layer, rank=1):
    """Convolve every channel of a signal with a low-pass filter and wavelets.

    `WaveletTransform2D` says what the arguments are. In one dimension `angles=2` adds wavelets of
    negative frequencies, which complex signals have too, and `quality` is the number of wavelets an
    octave.

    Example:

    >>> layer = WaveletTransform1D(scales=2, strides=4, algebra="real", window=13)
    >>> layer(keras.ops.ones((2, 32, 3))).shape
    TensorShape([2, 8, 18])
    """


@register
class WaveletTransform2D(WaveletTransformBody, keras.layers.Layer, rank=2):
    """Convolve every channel of an image with a low-pass filter and oriented wavelets.

    `y = (x * phi, x * psi_1, ..., x * psi_w)` at every stride: first the low-pass coefficients of
    all n channels, then the others, channel by channel. Complex wavelets act on real or complex
    signals and make complex coefficients; real ones (`"haar"`, `"daubechies2"`, ...) act on every
    component, in any algebra.

    Args:
        bank: name of a bank, see `keras_phase.wavelets.filter_bank`, or a `FilterBank`.
        scales: number of scales (octaves).
        angles: number of orientations; None is 4 (in one dimension 1).
        strides: distance of the outputs, one number or one for each axis; `size // stride` fit.
        algebra: of the input: name of an algebra, an `Algebra` or its config.
        quality: wavelets an octave, in one dimension.
        window: odd size of the filters; None holds all but 1e-6 of each filter's energy.
        padding: `"reflect"`, `"zero"` or `"circular"`.
        normalization: None, `"contractive"` or `"tight"`, see `FilterBank.normalized`.
        train: what is trained of the wavelets: nothing, some of `"scale"`, `"frequency"` and
            `"angle"` (banks with a closed form), one of each a wavelet; or `"free"`, all entries,
            `(1 or 2, wavelets, *window)`, which need not keep the sum 0. The low-pass filter stays.
        method: `"direct"`, `"fft"` or `"auto"`, see `keras_phase.ops.filtering`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*n)`, or `(batch, d*n, *places)` with channels first.

    Output shape:
        The same with `size // stride` places and `c*n*(1 + wavelets)` channels, component-major:
        `c = 2` for complex wavelets, else `d`.

    Raises:
        ValueError: if an argument is none of these, the algebra is neither real nor complex for
            complex wavelets, or the image is smaller than the filters' support allows.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283.

    Degenerate case: a constant image has wavelet coefficients 0.

    Example:

    >>> layer = WaveletTransform2D(angles=4, strides=2, algebra="real")
    >>> layer(keras.ops.ones((2, 8, 12, 3))).shape
    TensorShape([2, 4, 6, 30])
    """


@register
class WaveletModulus1D(WaveletModulusBody, keras.layers.Layer, rank=1):
    """Low-pass coefficients of a signal and moduli of its wavelet coefficients.

    `WaveletModulus2D` says what the arguments are.

    Example:

    >>> layer = WaveletModulus1D(strides=2, angles=2, window=9)
    >>> layer(keras.ops.ones((2, 32, 2 * 3))).shape
    TensorShape([2, 16, 18])
    """


@register
class WaveletModulus2D(WaveletModulusBody, keras.layers.Layer, rank=2):
    """Low-pass coefficients of an image and moduli of its wavelet coefficients.

    `y = (x * phi, |x * psi_1|, ..., |x * psi_w|)`: the phases of the wavelet coefficients collapse,
    the low-pass part stays as it is. It equals `WaveletTransform2D` with `PhaseCollapse` behind it,
    except that the moduli of a real signal stay real numbers.

    Args:
        bank: as in `WaveletTransform2D`, which also has the other arguments.
        scales: number of scales.
        angles: number of orientations.
        strides: distance of the outputs.
        algebra: of the input.
        low_pass: whether to keep the low-pass part. With it the output has the input's algebra, and
            moduli have other components 0; without, it has the moduli as real numbers.
        quality: wavelets an octave, in one dimension.
        window: odd size of the filters.
        padding: `"reflect"`, `"zero"` or `"circular"`.
        normalization: None, `"contractive"` or `"tight"`.
        train: what is trained of the wavelets.
        method: `"direct"`, `"fft"` or `"auto"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*n)`, or `(batch, d*n, *places)` with channels first.

    Output shape:
        The same with `size // stride` places and `d*n*(1 + wavelets)` channels, or `n*wavelets`
        without the low-pass part.

    Raises:
        ValueError: as `WaveletTransform2D`.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283.

    Degenerate case: where a coefficient is 0, its modulus and the modulus's gradient are 0.

    Example:

    >>> layer = WaveletModulus2D(strides=2, algebra="real")
    >>> layer(keras.ops.ones((2, 8, 12, 3))).shape
    TensorShape([2, 4, 6, 15])
    """


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
