"""What a layer body needs to live on a tf_keras layer, and to be pruned by TF-MOT as a whole.

TF-MOT multiplies a weight by a mask that it chooses by the weight's absolute values. So a layer
gives it, instead of the kernel, a `gate`: a number an element, the element's score. TF-MOT sets
gates of low scores to 0; the layer computes with the pruned value of elements with gate 0, and such
a gate stays 0.
"""

import functools
import inspect
from typing import Any

import keras
import numpy as np
import tf_keras
from keras import ops

from ..ops.modulus import modulus_axis
from ..parametrizations import Parametrization
from ..pruning import criteria, schedules
from ..pruning.criteria import Site

Tensor = Any
# A gate is 0 for pruned elements only.
_LEAST = 1e-6


def register(cls: type) -> type:
    """Class decorator: make a twin known to tf_keras under the name of the Keras 3 layer."""
    return tf_keras.saving.register_keras_serializable(package="keras_phase")(cls)


# TF-MOT turns the config of a schedule that tf_keras does not know into a string, silently.
for _schedule in (
    schedules.ConstantSparsity,
    schedules.CosineSparsity,
    schedules.CubicSparsity,
    schedules.PolynomialDecay,
    schedules.PhaseConstantSparsity,
    schedules.PhasePolynomialDecay,
    schedules.SignConstantSparsity,
    schedules.SignPolynomialDecay,
):
    register(_schedule)


class SeedState(tf_keras.layers.Layer):
    """Shows the variable of a seed generator to saved functions, and to nobody as a weight."""

    def __init__(self, state: Any):
        super().__init__(name="seed_state", trainable=False)
        self.state = state

    @property
    def non_trainable_weights(self) -> list[Any]:
        """None."""
        return []


class LegacyMixin:
    """Stands before a body: translates between it and tf_keras."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        generator = getattr(self, "seed_generator", None)
        if generator is not None:
            self.seed_state = SeedState(generator.state.value)

    def _admit(self, x: Any) -> Any:
        if "complex" in str(getattr(x, "dtype", "")):
            raise ValueError(
                f"The layer '{self.name}' takes real tensors whose last axis is component-major; "
                "only the Keras 3 layers take complex ones. Use `tf.concat([tf.math.real(x), "
                f"tf.math.imag(x)], -1)`. Received: inputs.dtype={x.dtype}"
            )
        if type(x).__module__.startswith("keras."):
            raise TypeError(
                f"The tf_keras layer '{self.name}' ({type(self).__name__}) was called on a Keras 3 "
                "tensor. Make the input with `tf_keras.Input`, or take the layer of that name from "
                f"`keras_phase`. Received: inputs of type {type(x).__name__}"
            )
        return x

    def build(self, input_shape: Any) -> None:
        """Create the variables for inputs of that shape."""
        single = not isinstance(input_shape, list)
        shapes = [tuple(s) for s in ([input_shape] if single else input_shape)]
        super().build(shapes[0] if single else shapes)
        self.built = True

    def add_weight(self, **arguments: Any) -> Any:
        """A variable; `autocast` is called `experimental_autocast` here."""
        if "autocast" in arguments:
            arguments["experimental_autocast"] = arguments.pop("autocast")
        return super().add_weight(**arguments)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As of the Keras 3 layer, for the shapes of tf_keras."""
        if isinstance(input_shape, list):
            return super().compute_output_shape([tuple(s) for s in input_shape])
        return super().compute_output_shape(tuple(input_shape))

    def get_prunable_weights(self) -> list[Any]:
        """Nothing."""
        return []

    @property
    def input_spec(self) -> Any:
        """Of tf_keras."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, spec: Any) -> None:
        if isinstance(spec, keras.layers.InputSpec):
            named = {n: getattr(spec, n) for n in ("ndim", "min_ndim", "max_ndim", "axes")}
            spec = tf_keras.layers.InputSpec(**{k: v for k, v in named.items() if v is not None})
        self._input_spec = spec


class LegacyKernelMixin(LegacyMixin):
    """For layers with kernels: gates for TF-MOT.

    Args:
        pruning_criterion: name of the criterion, None until TF-MOT's wrapper gives a schedule;
            then that of the schedule, or "magnitude".
    """

    def __init__(self, *args: Any, pruning_criterion: str | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        activation = getattr(self, "activation", None)
        if getattr(activation, "weight_specs", ()):
            raise ValueError(
                f"The activation '{activation.name}' has weights of its own, which the twins of "
                "tf_keras do not host. Use one without, for example 'cardioid', or the Keras 3 "
                f"layer. Received: activation={activation.name!r} of {type(self).__name__}"
            )
        self.pruning_criterion = pruning_criterion

    def build(self, input_shape: Any) -> None:
        """Create the variables for inputs of that shape."""
        super().build(input_shape)
        if self.pruning_criterion is not None:
            self._add_gates()

    def call(self, inputs: Tensor, training: Any = None) -> Tensor:
        """Apply the layer; in training, renew the scores."""
        self.renew_scores(training)
        return super().call(inputs)

    def renew_scores(self, training: Any) -> None:
        """In training, let the gates follow the weights; nothing before TF-MOT prunes the layer."""
        if self.pruning_criterion is not None and training is not None and training is not False:
            self._renew()

    def get_prunable_weights(self, wrapped: Any = None) -> list[Any]:
        """The gates, one a kernel; TF-MOT's wrapper of `wrapped` asks for them when it builds."""
        if self.pruning_criterion is None:
            self.pruning_criterion = _criterion_of_caller(wrapped or self)
            self._add_gates()
        return [p.gate for p in self._gated()]

    def fold_pruning(self) -> None:
        """Put the pruned values into the kernels, so that nothing is left to do at each call."""
        for p in self._gated():
            gate = ops.convert_to_tensor(p.gate)
            p.prune(ops.not_equal(gate, 0)[None], p.kernel())
            p.gate.assign(ops.ones_like(gate))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "pruning_criterion": self.pruning_criterion}

    def _gated(self) -> list[Any]:
        # Not a list of the layer's own: tf_keras would count the gates in it once more.
        return [p for p in self.parametrizations if hasattr(p, "gate")]

    def _add_gates(self) -> None:
        criterion = criteria.get(self.pruning_criterion)
        for i, p in enumerate(self.parametrizations):
            criterion.check(p.algebra.dimension, p.path, p.algebra)
            initial = functools.partial(_initial_gate, p, p.kernel, criterion)
            gate = self.add_weight(
                name=f"gate_{i}",
                shape=tuple(p.shape),
                trainable=False,
                initializer=initial,
                dtype="float32",
            )
            # Shadows the method of this one object, so no body needs code for it.
            p.gate, p.ungated = gate, p.kernel
            p.kernel = functools.partial(_gated_kernel, p.kernel, gate, criterion)

    def _renew(self) -> None:
        criterion = criteria.get(self.pruning_criterion)
        for p in self._gated():
            scores = ops.cast(_scores(p, p.ungated, criterion), "float32")
            pruned = ops.equal(ops.convert_to_tensor(p.gate), 0)
            p.gate.assign(ops.where(pruned, ops.zeros_like(scores), scores))


def _scale(w: Tensor) -> Tensor:
    modulus = modulus_axis(w, axis=0)
    count = ops.sum(ops.cast(ops.not_equal(modulus, 0), modulus.dtype))
    return ops.stop_gradient(ops.sum(modulus) / ops.maximum(count, 1))


def _scores(p: Parametrization, kernel: Any, criterion: criteria.Criterion) -> Tensor:
    import tensorflow as tf

    w = ops.cast(kernel(), "float32")
    scale = ops.reshape(_scale(w), (1,) * len(w.shape))
    seed = tf.random.uniform((), maxval=2**31 - 1, dtype=tf.int32)

    def scores_of_arrays(w: np.ndarray, scale: np.ndarray, seed: int) -> np.ndarray:
        def noise() -> np.ndarray:
            return np.random.default_rng(seed).random((1, *w.shape[1:]), dtype="float32")

        site = Site(scale if criterion.scaled else None, noise, p)
        return np.asarray(criterion.score(w, site)[0] + _LEAST, dtype="float32")

    # Criteria are functions of arrays on the host, and TF-MOT asks for them within a graph.
    found = tf.numpy_function(scores_of_arrays, [w, scale, seed], tf.float32)
    found.set_shape(w.shape[1:])
    return found


def _initial_gate(
    p: Parametrization,
    kernel: Any,
    criterion: criteria.Criterion,
    shape: Any,
    dtype: Any = None,
) -> Tensor:
    """Scores: TF-MOT may choose before the first step."""
    return ops.cast(_scores(p, kernel, criterion), dtype)


def _gated_kernel(kernel: Any, gate: Any, criterion: criteria.Criterion) -> Tensor:
    w = kernel()
    keep = ops.cast(ops.not_equal(ops.convert_to_tensor(gate), 0), w.dtype)[None]
    if criterion.removes:
        return w * keep
    gain = 1 - keep
    return criterion.projection(w, keep, gain * _scale(w) if criterion.scaled else gain)


def _criterion_of_caller(layer: Any) -> str:
    """The criterion of the schedule of the wrapper that asks, else "magnitude".

    TF-MOT hands schedules to its wrapper and not to the layer. But it is the wrapper that calls
    `get_prunable_weights`, so it is the `self` of a frame close by.
    """
    frame = inspect.currentframe()
    for _ in range(7):
        frame = frame and frame.f_back
        owner = frame and frame.f_locals.get("self")
        if owner is not layer and getattr(owner, "layer", None) is layer:
            schedule = getattr(owner, "pruning_schedule", None)
            return getattr(schedule, "criterion", None) or "magnitude"
    return "magnitude"
