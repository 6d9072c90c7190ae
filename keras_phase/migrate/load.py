"""Foreign weights into our layers and models."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ..layers.algebra_layer import AlgebraLayerMixin
from ..layers.batch_normalization import BatchNormalizationBody
from ..layers.convolution import ConvolutionBody
from ..layers.dense import DenseBody
from ..stock_layers import inside
from .conventions import CONVENTIONS, Convention
from .sources import LayerWeights, by_layer, by_name

# What to assign: a function that takes the converted value, and that value.
Assignment = tuple[Any, np.ndarray]

_KINDS = (
    (DenseBody, "dense"),
    (ConvolutionBody, "conv"),
    (BatchNormalizationBody, "batch_normalization"),
)
_STOCK_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def get(convention: str, kind: str | None = None) -> Convention:
    """The convention of that name, or that of a package for a kind of layer.

    Raises:
        ValueError: if it is unknown; the message lists the known ones.
    """
    if kind is not None and "/" not in str(convention):
        convention = f"{convention}/{kind}"
    found = CONVENTIONS.get(convention)
    if kind is not None and found.kind != kind:
        known = [name for name in CONVENTIONS if name.endswith(f"/{kind}")]
        raise ValueError(
            f"Expected a convention for layers of the kind '{kind}', one of {', '.join(known)}. "
            f"Received: convention={convention!r}"
        )
    return found


def convert(weights: LayerWeights, convention: str, *, epsilon: float = 1e-4) -> dict:
    """Our weights by name, from the arrays of one foreign layer.

    Args:
        weights: the foreign layer's arrays, by name or in its own order.
        convention: `"package/kind"`, of `keras_phase.migrate.CONVENTIONS`.
        epsilon: of our batch normalisation.

    Returns:
        `kernel`, `(d, *window, in, out)`, and `bias`, `(d*out,)`, as NumPy arrays; or `gamma`,
        `beta`, `moving_mean` and `moving_covariance`.

    Raises:
        ValueError: if the convention is unknown, or the arrays are not those of the layer.

    Example:

    >>> import numpy as np
    >>> ours = convert([np.ones((5, 3)), np.ones((5, 3)), np.zeros(6)], "keras-complex/dense")
    >>> ours["kernel"].shape, float(ours["kernel"][1].max())  # it multiplies by conj(w)
    ((2, 5, 3), -1.0)
    """
    found = get(convention)
    return found.convert(by_name(weights, found), epsilon)


def load_weights(
    target: keras.layers.Layer,
    source: Any,
    convention: str,
    *,
    layers: Mapping[str, str] | None = None,
) -> None:
    """Load foreign weights into a built layer or model, which then computes what theirs did.

    If it fails, every variable keeps its value.

    Args:
        target: a layer (`AlgebraDense`, `AlgebraConv*`, `AlgebraBatchNormalization` in mode
            whitening, or a preset of them), or a model. Stock layers in a model take the arrays
            of their twins as they are.
        source: for a layer, its arrays: by name, or in the foreign layer's order. For a model, a
            mapping of layer names to such arrays, a mapping of full weight names to arrays
            (a PyTorch `state_dict()` turned to NumPy), or the path of an HDF5 file of Keras.
        convention: a package, `"keras-complex"`, or a row of `keras_phase.migrate.CONVENTIONS`,
            `"keras-complex/dense"`.
        layers: for a model, the foreign layer's name for each of ours that has weights. None pairs
            by name if the names agree, else in order.

    Raises:
        ValueError: if the convention is unknown, weights are missing, left over or of another
            shape, the layers cannot be paired, or a layer has another algebra or is not built.

    Example:

    >>> import keras, numpy as np
    >>> from keras_phase import AlgebraDense
    >>> layer = AlgebraDense(3)
    >>> layer.build((None, 2 * 5))
    >>> load_weights(layer, [np.ones((5, 3)), np.zeros((5, 3)), np.zeros(6)], "keras-complex")
    >>> float(keras.ops.sum(layer.kernel))
    15.0
    """
    if isinstance(target, keras.Model):
        assignments = _for_model(target, by_layer(source), convention, layers)
    else:
        assignments = _for_layer(target, source, convention)
    before = [(v.assign, keras.ops.convert_to_numpy(v)) for v in target.variables]
    try:
        for assign, value in assignments:
            assign(value)
    except Exception:
        # A parametrization that cannot represent its kernel says so only now.
        for assign, value in before:
            assign(value)
        raise


def _for_model(
    model: keras.Model,
    source: dict[str, LayerWeights],
    convention: str,
    layers: Mapping[str, str] | None,
) -> list[Assignment]:
    ours = _with_weights(model)
    assignments: list[Assignment] = []
    for layer, name in _pairs(ours, source, layers):
        try:
            if isinstance(layer, AlgebraLayerMixin):
                assignments += _for_layer(layer, source[name], convention)
            else:
                assignments += _for_stock_layer(layer, source[name], convention)
        except ValueError as error:
            raise ValueError(f"Foreign layer '{name}' into '{layer.name}': {error}") from error
    return assignments


def _with_weights(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that hold weights of their own, in the order of their use."""
    parts = inside(model)
    owned = {id(x) for p in parts if isinstance(p, AlgebraLayerMixin) for x in inside(p)}
    return [
        x
        for x in parts
        if x.weights
        and id(x) not in owned
        and (isinstance(x, AlgebraLayerMixin) or not any(y.weights for y in inside(x)))
    ]


def _pairs(
    ours: list[keras.layers.Layer],
    source: dict[str, LayerWeights],
    layers: Mapping[str, str] | None,
) -> list[tuple[keras.layers.Layer, str]]:
    names = [layer.name for layer in ours]
    if layers is None and set(names) == set(source):
        layers = {name: name for name in names}
    if layers is None and len(ours) == len(source):
        layers = dict(zip(names, source, strict=True))
    mapped = dict(layers or {})
    wrong = sorted(set(mapped) - set(names)) + sorted(set(mapped.values()) - set(source))
    if set(mapped) != set(names) or wrong or len(set(mapped.values())) != len(source):
        raise ValueError(
            "Expected as many layers with weights in the model as in the source, or `layers` to "
            "name the foreign layer of each. "
            f"Received: layers of the model {names}, of the source {list(source)}, "
            f"layers={None if layers is None else mapped}"
        )
    return [(layer, mapped[layer.name]) for layer in ours]


def _for_layer(layer: Any, weights: Any, convention: str) -> list[Assignment]:
    kind = next((kind for body, kind in _KINDS if isinstance(layer, body)), None)
    if kind is None:
        raise ValueError(
            "Expected an AlgebraDense, AlgebraConv1D, 2D or 3D, or AlgebraBatchNormalization "
            f"layer. Received: '{layer.name}' ({type(layer).__name__})"
        )
    found = get(convention, kind)
    if not layer.built:
        raise ValueError(
            f"The layer '{layer.name}' has no weights yet. Call it on data, or `build` it first."
        )
    if layer.algebra.name != found.algebra:
        raise ValueError(
            f"The convention '{found.name}' is of the algebra '{found.algebra}'. Received: layer "
            f"'{layer.name}' of the algebra '{layer.algebra.name}'"
        )
    if kind == "batch_normalization":
        values = found.convert(by_name(weights, found), layer.epsilon)
        slots = {name: getattr(layer, name, None) for name in values}
    else:
        values = found.convert(by_name(weights, found))
        slots = {"kernel": layer.kernel, **({} if layer.bias is None else {"bias": layer.bias})}
    expected = {name: None if slot is None else tuple(slot.shape) for name, slot in slots.items()}
    given = {name: value.shape for name, value in values.items()}
    if expected != given:
        hint = " Whitening needs mode='whitening', with center and scale." if len(given) > 2 else ""
        raise ValueError(
            f"The weights of '{found.layer}' do not fit the layer '{layer.name}', which needs "
            f"{expected}, converted by '{found.name}'.{hint} Received: {given}"
        )
    return [
        (layer.kernel_parametrization.set_kernel if name == "kernel" else slots[name].assign, value)
        for name, value in values.items()
    ]


def _for_stock_layer(
    layer: keras.layers.Layer, weights: LayerWeights, convention: str
) -> list[Assignment]:
    arrays = list(weights.values() if isinstance(weights, Mapping) else weights)
    arrays = [np.asarray(array) for array in arrays]
    convolution = CONVENTIONS.get(f"{convention.partition('/')[0]}/conv")
    if convolution.axes.startswith("out"):
        raise ValueError(
            f"Stock layers of PyTorch have another layout: set the weights of '{layer.name}' "
            "yourself, and load the algebra layers one by one. "
            f"Received: convention={convention!r}"
        )
    expected, given = [tuple(w.shape) for w in layer.weights], [a.shape for a in arrays]
    if expected != given:
        raise ValueError(
            f"Expected arrays of the shapes {expected} for the stock layer '{layer.name}'. "
            f"Received: {given}"
        )
    if convolution.flipped and isinstance(layer, _STOCK_CONVOLUTIONS):
        arrays[0] = np.flip(arrays[0], axis=tuple(range(arrays[0].ndim - 2)))
    return [(w.assign, a) for w, a in zip(layer.weights, arrays, strict=True)]
