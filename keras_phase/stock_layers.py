"""Stock layers that cut algebra elements apart, and where a model uses one.

The components of an element lie far apart in the last axis (all first components, then all second
ones, ...), which a stock `Flatten`, `Dropout` or `Dense` does not know.
"""

from collections.abc import Callable

import keras
from keras import tree

from . import layers, parametrizations
from .algebras import Algebra


def unsafe_layers(model: keras.Model) -> list[str]:
    """A warning for each stock layer that cuts elements apart between two algebra layers.

    Components of an element lie far apart in the last axis, so a stock `Flatten`, say, or a
    `Dropout` treats them as unrelated numbers, and so does a kernel. Add, average pooling, padding,
    cropping and upsampling are safe. Layers of sequential and functional models are checked, where
    their connections are known.
    """
    found = []
    for part in _models(model):
        sources = _sources(part)
        carrying = _closure(sources, lambda x: _dimension(x) > 1 and not _makes_real(x))
        targets = {id(x): (x, []) for x, _ in sources.values()}
        for x, before in sources.values():
            for source in before:
                targets[id(source)][1].append(x)
        reading = _closure(targets, lambda x: _dimension(x) > 1 and not isinstance(x, _ENTRANCES))
        for x, before in sources.values():
            after = targets[id(x)][1]
            if any(id(s) in carrying for s in before) and any(id(t) in reading for t in after):
                reason = _unsafe_reason(x)
                if reason:
                    found.append(
                        f"{type(x).__name__} '{x.name}' between two algebra layers {reason}"
                    )
    return found


_ENTRANCES = (layers.ToAlgebra, layers.PhaseEncode)
_EXITS = (layers.FromAlgebra, layers.Modulus, layers.Scattering1D, layers.Scattering2D)


def _makes_real(layer: keras.layers.Layer) -> bool:
    """Whether the outputs of an algebra layer are real numbers."""
    wavelets = (layers.WaveletModulus1D, layers.WaveletModulus2D)
    return isinstance(layer, _EXITS) or (isinstance(layer, wavelets) and not layer.low_pass)


def _last_axis(layer: keras.layers.Layer) -> bool:
    axis, rank = layer.axis, len(tree.flatten(layer.output)[0].shape)
    return axis in (-1, rank - 1)


# (stock class, whether this one does harm, what it does and what to use).
_UNSAFE: list[tuple[type, Callable[[keras.layers.Layer], bool], str]] = [
    (
        keras.layers.Flatten,
        lambda x: len(tree.flatten(x.input)[0].shape) > 2,
        "mixes components with positions: use keras_phase.AlgebraFlatten",
    ),
    (
        keras.layers.Reshape,
        lambda x: True,
        "mixes components with positions: use keras_phase.AlgebraReshape",
    ),
    (
        keras.layers.Concatenate,
        _last_axis,
        "puts the elements of one input after those of the other, instead of component by "
        "component: use keras_phase.AlgebraConcatenate",
    ),
    (
        keras.layers.Permute,
        lambda x: x.dims[-1] != len(x.dims),
        "moves the components out of the last axis: keep the last axis in its place",
    ),
]
_UNSAFE += [
    (
        cls,
        lambda x: x.rate > 0,
        f"drops single components: use keras_phase.Algebra{cls.__name__}",
    )
    for cls in (
        keras.layers.SpatialDropout1D,
        keras.layers.SpatialDropout2D,
        keras.layers.SpatialDropout3D,
    )
]
_UNSAFE += [
    (cls, lambda x: x.rate > 0, "drops single components: use keras_phase.AlgebraDropout")
    for cls in (keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout)
]
_MAXIMUM = "takes the largest of each component, from different elements: use"
_UNSAFE += [
    (cls, lambda x: True, f"{_MAXIMUM} average pooling, or keras_phase.Modulus{cls.__name__}")
    for cls in (
        keras.layers.MaxPooling1D,
        keras.layers.MaxPooling2D,
        keras.layers.MaxPooling3D,
    )
]
_UNSAFE += [
    (
        cls,
        lambda x: True,
        f"{_MAXIMUM} average pooling, or pool the modulus (keras_phase.Modulus)",
    )
    for cls in (
        keras.layers.GlobalMaxPooling1D,
        keras.layers.GlobalMaxPooling2D,
        keras.layers.GlobalMaxPooling3D,
    )
]
_SCALES_APART = "scales the components of an element apart, which changes its phase: use"
_UNSAFE += [
    (
        keras.layers.BatchNormalization,
        lambda x: True,
        f"{_SCALES_APART} keras_phase.AlgebraBatchNormalization, with the mode 'scalar' or "
        "'whitening', or with 'component' if that is what you want",
    ),
    (
        keras.layers.LayerNormalization,
        lambda x: True,
        f"{_SCALES_APART} keras_phase.AlgebraLayerNormalization",
    ),
    (
        keras.layers.GroupNormalization,
        lambda x: True,
        f"{_SCALES_APART} keras_phase.AlgebraGroupNormalization",
    ),
    (
        keras.layers.UnitNormalization,
        # Over the last axis it divides all components of a place by one number.
        lambda x: not {-1, len(tree.flatten(x.output)[0].shape) - 1} & {*tree.flatten(x.axis)},
        f"{_SCALES_APART} keras_phase.AlgebraRMSNormalization, or axis=-1",
    ),
]
if hasattr(keras.layers, "RMSNormalization"):  # an older Keras has none
    _UNSAFE.append(
        (
            keras.layers.RMSNormalization,
            lambda x: True,
            f"{_SCALES_APART} keras_phase.AlgebraRMSNormalization",
        )
    )
# Layers with a real kernel.
_UNSAFE += [
    (
        getattr(keras.layers, name),
        lambda x: True,
        "takes the components of an element for unrelated numbers: use "
        f"keras_phase.Algebra{name}, or show that this is meant by FromAlgebra('concat') before it "
        "and ToAlgebra('reshape') behind it",
    )
    for name in (
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "Dense",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "GRU",
        "LSTM",
        "MultiHeadAttention",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
    )
]


def _unsafe_reason(layer: keras.layers.Layer) -> str | None:
    for cls, harmful, reason in _UNSAFE:
        if isinstance(layer, cls) and harmful(layer):
            return reason
    return None


def _models(model: keras.Model) -> list[keras.Model]:
    inner = [m for x in model.layers if isinstance(x, keras.Model) for m in _models(x)]
    return [model, *inner]


def _dimension(layer: object) -> int:
    algebra = getattr(layer, "algebra", None)
    return algebra.dimension if isinstance(algebra, Algebra) else 1


def _sources(model: keras.Model) -> dict[int, tuple]:
    """Per operation of the model, by id: itself and the operations that it reads, in call order."""
    if isinstance(model, keras.Sequential):
        chain = list(model.layers)
        return {id(x): (x, chain[max(i - 1, 0) : i]) for i, x in enumerate(chain)}
    operations = getattr(model, "operations", [])
    maker: dict[int, object] = {}
    connected = []
    for x in operations:
        try:
            tensors = [id(t) for t in tree.flatten(x.input)]
            maker.update({id(t): x for t in tree.flatten(x.output)})
        except (AttributeError, ValueError):  # called several times: no single input
            continue
        connected.append((x, tensors))
    return {
        id(x): (x, [maker[t] for t in tensors if t in maker and maker[t] is not x])
        for x, tensors in connected
    }


def _closure(neighbours: dict[int, tuple], starts: Callable[[object], bool]) -> set[int]:
    """Ids of the operations that `starts`, or reach such a one over stock operations."""
    reached = {i for i, (x, _) in neighbours.items() if starts(x)}
    changed = True
    while changed:
        more = {
            i
            for i, (x, others) in neighbours.items()
            if i not in reached and _dimension(x) == 1 and any(id(o) in reached for o in others)
        }
        reached |= more
        changed = bool(more)
    return reached


def inside(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """All layers inside `layer`, each once, in the order of their use."""
    found: dict[int, keras.layers.Layer] = {}
    for child in parametrizations.sublayers(layer):
        for x in (child, *inside(child)):
            found.setdefault(id(x), x)
    return list(found.values())
