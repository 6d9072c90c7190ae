"""Activation variance through 20 layers, for every algebra, with its matching non-linearity.

Networks of `AlgebraDense` layers without bias on normal inputs of mean square 1, 512 real
numbers wide; mean square over all components after each layer, and of each component, averaged
over networks, with its standard error after the last layer. Non-linearity and weights that match:
split ReLU and `he_normal`, none and `lecun_normal`, and, where they match, phase-preserving ones
and `matching_scale`. Goal: between 0.8 and 1.25 after every layer. (One network of width n is off
by a factor of about exp(sqrt(5 layers / n)), so the average takes many.)

    python benchmarks/activation_variance.py [--layers 20] [--width 512] [--networks 128]
"""

import keras
import numpy as np
from absl import app, flags

import keras_phase
from keras_phase import algebras, initializers
from keras_phase.algebras import Algebra
from keras_phase.ops import layout
from pairing import write

_LAYERS = flags.DEFINE_integer("layers", 20, "Layers of a network.", 1)
_WIDTH = flags.DEFINE_integer("width", 512, "Real numbers a layer.", 16)
_NETWORKS = flags.DEFINE_integer("networks", 128, "Networks to average over.", 1)
_ALGEBRAS = flags.DEFINE_list("algebras", None, "Names; default: all, and Clifford algebras.")

# Phase-preserving activations, and in which algebras: where left multiplications by independent
# weights leave the components of an element uncorrelated and of one variance.
MATCHING = {
    "cardioid": ("complex", "quaternion"),
    "zrelu": ("complex",),
    "modrelu": ("complex", "quaternion", "octonion", "m2r"),
    "soft_threshold": ("complex", "quaternion"),
}


def table() -> dict[str, Algebra]:
    """The named algebras, Clifford algebras with and without nilpotent part, tensor products."""
    more = [
        *(algebras.clifford(*s) for s in ((2, 0, 0), (0, 3, 0), (1, 0, 1), (0, 0, 2), (3, 0, 1))),
        algebras.tensor_product("complex", "quaternion"),
        algebras.tensor_product("quaternion", "dual"),
    ]
    return {**{name: algebras.get(name) for name in algebras.names()}, **{a.name: a for a in more}}


def mean_squares(algebra: Algebra, activation: str | None, initializer: object) -> np.ndarray:
    """`(networks, layers + 1, d)`, mean square of every component after each layer."""
    d, units = algebra.dimension, _WIDTH.value // algebra.dimension
    layers = [
        keras_phase.AlgebraDense(units, activation=activation, use_bias=False, algebra=algebra)
        for _ in range(_LAYERS.value)
    ]
    outputs = [keras.Input((d * units,))]
    for layer in layers:
        outputs.append(layer(outputs[-1]))
    model = keras.Model(outputs[0], outputs)
    kernels = [layer.kernel_parametrization for layer in layers]
    draw = initializers.for_kernel(initializer, algebra)
    result, rng = np.zeros((_NETWORKS.value, len(outputs), d)), np.random.default_rng(0)
    for row in result:
        for kernel in kernels:
            kernel.set_kernel(keras.ops.reshape(draw(kernel.stored_shape), (d, units, units)))
        for i, y in enumerate(model.predict_on_batch(rng.normal(size=(4, d * units)))):
            components = keras.ops.convert_to_numpy(layout.to_axis(y, d))
            row[i] = np.mean(np.square(components, dtype="float64"), axis=(0, 2))
    return result


def goal_met(values: np.ndarray) -> str:
    """The goal is for the mean over components; single ones are reported."""
    return "yes" if 0.8 <= values.min() and values.max() <= 1.25 else "no"


def rows(algebra: Algebra, activation: str | None, initializer: object, scale: float) -> list[dict]:
    """One row for all components together, and where there are nilpotent ones, one for each."""
    measured = mean_squares(algebra, activation, initializer)
    nilpotent = initializers.nilpotent_components(algebra)
    series = {"all": measured.mean(axis=2)}
    if nilpotent.any():
        series.update(zip(algebra.basis, np.moveaxis(measured, 2, 0), strict=True))
    means = {component: values.mean(axis=0) for component, values in series.items()}
    errors = {c: values[:, -1].std() / len(values) ** 0.5 for c, values in series.items()}
    law = initializers.mean_squares(algebra, _LAYERS.value)
    laws = {"all": law.mean(axis=1), **dict(zip(algebra.basis, law.T, strict=True))}
    parts = dict(zip(algebra.basis, np.where(nilpotent, "nilpotent", "body"), strict=True))
    return [
        {
            "algebra": algebra.name,
            "activation": activation or "linear",
            "scale": round(scale, 4),
            "component": component,
            "part": parts.get(component, "all"),
            "smallest": round(float(values.min()), 3),
            "largest": round(float(values.max()), 3),
            "after_1": round(float(values[1]), 3),
            "after_half": round(float(values[len(values) // 2]), 3),
            "after_all": round(float(values[-1]), 3),
            "standard_error": round(float(errors[component]), 3),
            "law_after_all": round(float(laws[component][-1]), 3),
            "goal": goal_met(values) if component == "all" else "",
            "layers": _LAYERS.value,
            "width": _WIDTH.value // algebra.dimension * algebra.dimension,
            "networks": _NETWORKS.value,
        }
        for component, values in means.items()
    ]


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    chosen = table()
    if _ALGEBRAS.value:
        chosen = {name: algebras.get(name) for name in _ALGEBRAS.value}
    result = []
    for name, algebra in chosen.items():
        # With a number for a seed, or none, an initializer repeats itself.
        seed = keras.random.SeedGenerator(0)
        result += rows(algebra, "relu", keras.initializers.HeNormal(seed), 2.0)
        result += rows(algebra, None, keras.initializers.LecunNormal(seed), 1.0)
        for activation in (a for a, where in MATCHING.items() if name in where):
            scale = initializers.matching_scale(activation, algebra)
            initializer = initializers.AlgebraVarianceScaling(scale=scale, seed=seed)
            result += rows(algebra, activation, initializer, scale)
        print(f"{name}: {result[-1]['after_all']}", flush=True)
    write("activation_variance", result)


if __name__ == "__main__":
    app.run(main)
