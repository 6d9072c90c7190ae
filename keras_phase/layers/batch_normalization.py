"""Batch normalisation of algebra-valued activations."""

import math
from typing import Any

import keras
from keras import initializers, ops

from ..ops import layout, whitening
from .algebra_layer import register
from .normalization import NormalizationMixin, check_mode, in_float32

Tensor = Any

MODES = {
    "component": "each real component by its own variance",
    "scalar": "the components of an element by one variance",
    "whitening": "the components of an element decorrelated",
}


class BatchNormalizationBody(NormalizationMixin):
    """The logic of `AlgebraBatchNormalization`, for any Keras base class."""

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        *,
        algebra: Any = "complex",
        mode: str = "component",
        **kwargs: Any,
    ):
        if renorm:
            raise ValueError(
                "`renorm` is not supported: batch renormalisation corrects one standard deviation "
                "a real channel, while the components of an element are normalised together. "
                f"Leave it at False. Received: renorm={renorm}"
            )
        if synchronized and keras.backend.backend() != "tensorflow":
            raise ValueError(
                "`synchronized` needs `tf.distribute`: expected False on the "
                f"{keras.backend.backend()} backend. Received: synchronized={synchronized}"
            )
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.mode = check_mode(mode, MODES, "AlgebraBatchNormalization")
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self._set_affine(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.moving_mean = None
        self.moving_variance = None
        self.moving_covariance = None
        self.renorm = False
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized

    @property
    def _whitens(self) -> bool:
        return self.mode == "whitening" and self.algebra.dimension > 1

    @property
    def _shares_variance(self) -> bool:
        return self.mode == "scalar" and self.algebra.dimension > 1

    def build(self, input_shape: tuple) -> None:
        """Create gamma, beta and the moving statistics."""
        axis = self._component_axis(input_shape)
        d, size = self.algebra.dimension, input_shape[axis]
        n = self._num_elements(input_shape, axis)
        real, tied = (size,), ((n,) if self._shares_variance else (size,))
        if self._whitens:
            self._build_affine((whitening.triangle_size(d), n), real, self._start_gamma)
        else:
            self._build_affine(tied, real)
        self.moving_mean = self.add_weight(
            name="moving_mean",
            shape=real,
            initializer=self.moving_mean_initializer,
            trainable=False,
            autocast=False,
        )
        if self._whitens:
            self.moving_covariance = self.add_weight(
                name="moving_covariance",
                shape=(d, d, n),
                initializer=self._start_covariance,
                trainable=False,
                autocast=False,
            )
        else:
            self.moving_variance = self.add_weight(
                name="moving_variance",
                shape=tied,
                initializer=self.moving_variance_initializer,
                trainable=False,
                autocast=False,
            )
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes={self.axis: size})
        self.built = True

    def _start_gamma(self, shape: tuple, dtype: Any = None) -> Tensor:
        d = self.algebra.dimension
        entries = self.gamma_initializer((d, shape[-1]), dtype=dtype)
        return whitening.lower_triangle(whitening.diagonal(entries)) / math.sqrt(d)

    def _start_covariance(self, shape: tuple, dtype: Any = None) -> Tensor:
        return whitening.diagonal(self.moving_variance_initializer(shape[1:], dtype=dtype))

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        """Normalise by the batch's statistics when training, else by the moving ones."""
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                f"The layer '{self.name}' (AlgebraBatchNormalization) expects a mask with one axis "
                "less than the inputs: without the last one. "
                f"Received: mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)}"
            )
        x = in_float32(inputs)
        learns = bool(training) and self.trainable
        y = self._whiten(x, learns, mask) if self._whitens else self._rescale(x, learns, mask)
        return ops.cast(y, self.compute_dtype)

    def _rescale(self, x: Tensor, learns: bool, mask: Any) -> Tensor:
        """Modes component and scalar: the stock layer's steps, for its d*n real channels."""
        d = self.algebra.dimension
        if learns:
            mean, variance = self._moments(x, mask)
            if self._shares_variance:
                variance = ops.mean(ops.reshape(variance, (d, -1)), axis=0)
        mean, variance = self._track(x, (mean, variance) if learns else None)
        gamma = None if self.gamma is None else ops.cast(self.gamma, x.dtype)
        if self._shares_variance:
            variance = layout.repeat(variance, d)
            gamma = None if gamma is None else layout.repeat(gamma, d)
        return ops.batch_normalization(
            x=x,
            mean=mean,
            variance=variance,
            axis=self.axis,
            offset=None if self.beta is None else ops.cast(self.beta, x.dtype),
            scale=gamma,
            epsilon=self.epsilon,
        )

    def _whiten(self, x: Tensor, learns: bool, mask: Any) -> Tensor:
        d, axis = self.algebra.dimension, self._component_axis(x.shape)
        if mask is not None and axis != len(x.shape) - 1:
            raise ValueError(
                f"The layer '{self.name}' (AlgebraBatchNormalization, mode='whitening') has the "
                f"components along axis {axis}, where a mask, which follows all axes but the last, "
                "cuts elements apart. Expected `axis=-1` with a mask, or another mode. "
                f"Received: axis={self.axis}, mask.shape={tuple(mask.shape)}"
            )
        x = ops.moveaxis(x, axis, -1)
        rows = ops.reshape(x, (-1, x.shape[-1]))
        statistics = None
        if learns:
            kept = None if mask is None else ops.cast(ops.reshape(mask, (-1, 1)), "bool")
            statistics = self._covariance(rows, kept)
        mean, covariance, *blocks = self._track(x, statistics)
        if not learns:
            blocks = [whitening.to_blocks(rows - mean, d)]
        matrix = whitening.whitening_matrix(covariance, self.epsilon)
        if self.gamma is not None:
            gamma = whitening.symmetric(ops.cast(self.gamma, x.dtype), d)
            matrix = whitening.multiply(gamma, matrix)
        y = whitening.from_blocks(whitening.transform(blocks[0], matrix), d)
        if self.beta is not None:
            y = y + ops.cast(self.beta, x.dtype)
        return ops.moveaxis(ops.reshape(y, ops.shape(x)), -1, axis)

    def _track(self, x: Tensor, statistics: tuple | None) -> tuple:
        """The batch's statistics, moving the averages towards them, or else the averages."""
        variable = self.moving_covariance if self._whitens else self.moving_variance
        mean = ops.cast(self.moving_mean, x.dtype)
        spread = ops.cast(variable, x.dtype)
        if statistics is None:
            return mean, spread
        old, new = self.momentum, 1.0 - self.momentum
        self.moving_mean.assign(mean * old + statistics[0] * new)
        variable.assign(spread * old + statistics[1] * new)
        return statistics

    def _moments(self, x: Tensor, mask: Any) -> tuple[Tensor, Tensor]:
        """Mean and variance of every real channel."""
        axes = [i for i in range(len(x.shape)) if i != self.axis % len(x.shape)]
        if mask is None:
            return ops.moments(x, axes=axes, synchronized=self.synchronized)
        kept = ops.cast(ops.broadcast_to(ops.expand_dims(mask, -1), ops.shape(x)), "bool")
        count = ops.sum(ops.cast(kept, x.dtype), axes, keepdims=True)
        mean = self._average(ops.sum(ops.where(kept, x, 0), axes, keepdims=True), count)
        square = ops.square(ops.where(kept, x - mean, 0))
        variance = self._average(ops.sum(square, axes, keepdims=True), count)
        return ops.reshape(mean, (-1,)), ops.reshape(variance, (-1,))

    def _covariance(self, rows: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Mean `(d*n,)`, covariance `(d, d, n)`, and the centred rows in blocks."""
        d = self.algebra.dimension
        if kept is None:
            count = ops.cast(ops.shape(rows)[0], rows.dtype)
            mean = self._average(ops.sum(rows, axis=0), count, masked=False)
            blocks = counted = whitening.to_blocks(rows - mean, d)
        else:
            count = ops.sum(ops.cast(kept, rows.dtype))
            mean = self._average(ops.sum(ops.where(kept, rows, 0), axis=0), count)
            blocks = whitening.to_blocks(rows - mean, d)
            counted = ops.where(ops.expand_dims(kept, 0), blocks, 0)
        total = whitening.second_moments(counted, d)
        return mean, self._average(total, count, masked=kept is not None), blocks

    def _average(self, total: Tensor, count: Tensor, masked: bool = True) -> Tensor:
        """`total / count`, of all replicas when synchronised."""
        if self.synchronized:
            total, count = _mean_of_replicas(total, count)
        # As the stock layer: a batch that is masked wholly has mean 0.
        return total / (count + keras.config.epsilon() if masked else count)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            **self._affine_config(),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
            "synchronized": self.synchronized,
            "mode": self.mode,
        }


@register
class AlgebraBatchNormalization(BatchNormalizationBody, keras.layers.Layer):
    """Batch normalisation of algebra-valued activations.

    In training every element is normalised by the statistics of the batch over all axes but
    `axis`, in inference (and when frozen, `trainable=False`) by their moving averages. With `x` the
    `d` components of an element and `E` the mean over the batch, `y = gamma z + beta`,

    * `mode="component"`: `z_k = (x_k - E x_k) / sqrt(v_k + epsilon)`, `v_k = E (x_k - E x_k)^2`:
      the stock layer on `d*n` real channels. It scales the components apart, so phases change.
    * `mode="scalar"`: `z = (x - E x) / sqrt(v + epsilon)`, `v = E |x - E x|^2 / d`: one real scale
      an element, so that the mean square of a component is 1. It commutes with every orthogonal map
      of the components, such as the product with a unit of the complex numbers or quaternions.
    * `mode="whitening"`: `z = W (x - E x)`, `W V W^T = I` with `V` the `d x d` covariance plus
      `epsilon I`: components become uncorrelated with variance 1. `W` is the inverse square root of
      `V` for d = 2, the inverse Cholesky factor otherwise: `keras_phase.ops.whitening` says why.

    | weight | component | scalar | whitening |
    |---|---|---|---|
    | `gamma` | `(d*n,)`, a factor | `(n,)`, a factor | `(d*(d+1)/2, n)`, a symmetric matrix |
    | `beta` | `(d*n,)` | `(d*n,)` | `(d*n,)` |
    | `moving_mean` | `(d*n,)` | `(d*n,)` | `(d*n,)` |
    | `moving_variance` | `(d*n,)` | `(n,)` | |
    | `moving_covariance` | | | `(d, d, n)` |

    In mode whitening `gamma` holds the lower triangle, row by row, of a symmetric `d x d` matrix an
    element: only its free numbers are trained. It starts at `gamma_initializer / sqrt(d)` on the
    diagonal and 0 elsewhere, so that the mean square *modulus* of the output is 1, as in the paper;
    the other two modes start with mean square modulus `d`. Nothing keeps it positive definite in
    training; a `gamma_constraint` can.

    Statistics are float32 at least, whatever the dtype policy. `algebra="real"` equals
    `keras.layers.BatchNormalization` in every mode, weight for weight.

    Args:
        axis: the axis that holds the components: -1, or 1 for `channels_first`.
        momentum: of the moving averages.
        epsilon: added to the variances.
        center: whether to add `beta`.
        scale: whether to multiply by `gamma`.
        beta_initializer: of `beta`.
        gamma_initializer: of `gamma`; in mode whitening of its diagonal, before the division.
        moving_mean_initializer: of the moving mean.
        moving_variance_initializer: of the moving variance, or of the diagonal of the covariance.
        beta_regularizer: of `beta`.
        gamma_regularizer: of `gamma`.
        beta_constraint: of `beta`.
        gamma_constraint: of `gamma` as it is stored.
        renorm: not supported, must stay False.
        renorm_clipping: unused without `renorm`.
        renorm_momentum: unused without `renorm`.
        synchronized: whether the replicas of a `tf.distribute` strategy share their statistics
            (masked ones too).
        algebra: name of an algebra, an `Algebra` or its config.
        mode: `"component"`, `"scalar"` or `"whitening"`.
        **kwargs: of every Keras layer.

    Call arguments:
        inputs: `(batch, ..., d*n)`.
        training: whether to normalise by the batch, and move the averages.
        mask: of the inputs' shape without the last axis; what it hides is left out of the
            statistics.

    Input shape:
        `(batch, ..., d*n)`, or with the `d*n` entries along `axis`.

    Output shape:
        The input's.

    Raises:
        ValueError: if `mode` is unknown, `axis` has a size that is not a multiple of `d`, the mask
            has another rank, or `renorm` is asked for.

    Reference:
        Ioffe and Szegedy, arXiv 1502.03167; whitening: Trabelsi et al., "Deep Complex Networks",
        arXiv 1705.09792, section 3.5.

    Example:

    >>> import keras
    >>> layer = AlgebraBatchNormalization(mode="whitening", algebra="quaternion")
    >>> layer(keras.ops.ones((2, 4 * 3)), training=True).shape
    TensorShape([2, 12])
    >>> [(w.name, tuple(w.shape)) for w in layer.weights][::3]
    [('gamma', (10, 3)), ('moving_covariance', (4, 4, 3))]
    """


def _mean_of_replicas(total: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Means over the replicas of the running strategy, by Keras's own synchronised moments."""
    flat, size = [ops.reshape(v, (1, -1)) for v in (total, count)], math.prod(total.shape)
    mean = ops.moments(ops.concatenate(flat, axis=1), axes=[0], synchronized=True)[0]
    return ops.reshape(mean[:size], total.shape), ops.reshape(mean[size:], count.shape)
