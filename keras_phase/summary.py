"""What a model is made of, counted in algebra elements.

`keras.Model.summary` counts real numbers. Here a layer also shows its algebra, the elements of its
kernels, the real multiplications of one sample by each product method, and what pruning removed;
and stock layers that would cut elements apart are named.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import ops

from . import parametrizations
from .algebras import Algebra
from .ops.dispatch import METHODS
from .parametrizations import Parametrization
from .stock_layers import inside, unsafe_layers

# Real multiplications of one product of two elements, by method; in the order of the columns.
_MULTIPLICATIONS: dict[str, Callable[[Algebra], int]] = {
    "expanded": lambda a: a.dimension**2,
    "factored": lambda a: a.rank,
    "matrix": lambda a: a.matrix.n**3 * (a.matrix.entry.rank or a.matrix.entry.dimension**2),
}


@dataclass
class LayerRow:
    """One line of the summary.

    Attributes:
        name: path of the layer below the model.
        class_name: its class.
        algebra: name of its algebra, "" for a stock layer.
        output_shape: `(batch, ..., d*n)`, None where it is not known.
        parameters: real numbers in its weights.
        elements: algebra elements in its kernels.
        multiplications: real multiplications of one sample by method name; a size that is not
            known counts as 1.
        zero: fraction of the kernel elements that are wholly zero.
    """

    name: str
    class_name: str
    algebra: str = ""
    output_shape: tuple | None = None
    parameters: int = 0
    elements: int = 0
    multiplications: dict[str, int] = field(default_factory=dict)
    zero: float = 0.0


def summary(model: keras.Model, print_fn: Callable[[str], None] | None = None) -> None:
    """Print one line a layer, the totals, and warnings about unsafe stock layers.

    Args:
        model: a built Keras model.
        print_fn: receives each line; None prints.

    Raises:
        ValueError: if the model is not built.

    Example:

    >>> import keras_phase
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras_phase.PhaseEncode(), keras_phase.PhaseDense(3, name="dense"),
    ... ])
    >>> rows(model)[1].multiplications
    {'expanded': 48, 'factored': 36}
    """
    print_fn = print if print_fn is None else print_fn
    table = rows(model)
    methods = [m for m in _MULTIPLICATIONS if any(m in row.multiplications for row in table)]
    head = ["Layer", "Class", "Algebra", "Output shape", "Parameters", "Elements"]
    lines = [[*head, *(f"Mult. {m}" for m in methods), "Zero"]]
    for row in table:
        shape = "?" if row.output_shape is None else str(row.output_shape)
        counts = [_number(row.multiplications.get(m, 0)) for m in methods]
        start = [row.name, row.class_name, row.algebra or "-", shape]
        zero = f"{row.zero:.1%}" if row.zero else "-"
        lines.append([*start, _number(row.parameters), _number(row.elements), *counts, zero])
    total = [_number(sum(row.parameters for row in table)), _number(sum(r.elements for r in table))]
    # A layer that a method cannot serve runs the expanded one.
    counts = [
        _number(sum(r.multiplications.get(m, r.multiplications.get("expanded", 0)) for r in table))
        for m in methods
    ]
    lines.append(["Total", "", "", "", *total, *counts, ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for i, line in enumerate(lines):
        if i in (1, len(lines) - 1):
            print_fn("-" * (sum(widths) + 2 * len(widths) - 2))
        cells = [
            c.ljust(w) if j < len(start) else c.rjust(w)
            for j, (c, w) in enumerate(zip(line, widths, strict=True))
        ]
        print_fn("  ".join(cells).rstrip())
    for warning in unsafe_layers(model):
        print_fn(f"Warning: {warning}")


def rows(model: keras.Model) -> list[LayerRow]:
    """The lines of the summary; layers of a model inside the model have lines of their own.

    Raises:
        ValueError: if the model is not built.
    """
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' is not built, so its layers have no weights to count: call "
            f"it on data, or give it an `Input`, first. Received: model.built={model.built}"
        )
    return [_row(name, layer) for name, layer in _leaves(model)]


def _leaves(model: keras.Model, prefix: str = "") -> list[tuple[str, keras.layers.Layer]]:
    result = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        name = prefix + layer.name
        inner = _leaves(layer, f"{name}/") if isinstance(layer, keras.Model) else []
        result += inner or [(name, layer)]
    return list({id(layer): (name, layer) for name, layer in reversed(result)}.values())[::-1]


def _row(name: str, layer: keras.layers.Layer) -> LayerRow:
    kernels = [p for x in (layer, *inside(layer)) for p in parametrizations.of(x)]
    shape = _output_shape(layer)
    elements = sum(math.prod(p.shape) for p in kernels)
    zeros = sum(int(np.sum(~ops.convert_to_numpy(p.kernel()).any(axis=0))) for p in kernels)
    return LayerRow(
        name=name,
        class_name=type(layer).__name__,
        algebra=getattr(getattr(layer, "algebra", None), "name", ""),
        output_shape=shape,
        parameters=layer.count_params() if layer.built else 0,
        elements=elements,
        multiplications=_multiplications(layer, kernels, shape),
        zero=zeros / elements if elements else 0.0,
    )


def _output_shape(layer: keras.layers.Layer) -> tuple | None:
    try:
        return tuple(layer.output.shape)
    except (AttributeError, ValueError):  # not in a graph, or several outputs
        pass
    shape = (layer.get_build_config() or {}).get("input_shape") if layer.built else None
    try:
        return None if shape is None else tuple(layer.compute_output_shape(tuple(shape)))
    except (NotImplementedError, TypeError, ValueError):
        return None


# Stock layers that use each kernel entry once at every output position.
_POINTWISE = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)


def _multiplications(
    layer: keras.layers.Layer, kernels: list[Parametrization], shape: tuple | None
) -> dict[str, int]:
    ours = isinstance(getattr(layer, "algebra", None), Algebra)
    if not kernels or shape is None or not (ours or isinstance(layer, _POINTWISE)):
        return {}
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    positions = math.prod(n or 1 for n in (shape[2:] if channels_first else shape[1:-1]))
    products = positions * sum(math.prod(p.shape) for p in kernels)
    algebra = kernels[0].algebra
    return {
        method: products * count(algebra)
        for method, count in _MULTIPLICATIONS.items()
        if METHODS.get(method).unavailable(algebra) is None
    }


def _number(n: int) -> str:
    return f"{n:,}" if n else "-"
