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

from . import multiplications, parametrizations
from .multiplications import METHODS
from .stock_layers import inside, unsafe_layers


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
    end = _total(table)
    methods = list(end.multiplications)
    head = ["Layer", "Class", "Algebra", "Output shape", "Parameters", "Elements"]
    lines = [[*head, *(f"Mult. {m}" for m in methods), "Zero"]]
    for row in table:
        shape = "?" if row.output_shape is None else str(row.output_shape)
        counts = [_number(row.multiplications.get(m, 0)) for m in methods]
        start = [row.name, row.class_name, row.algebra or "-", shape]
        zero = f"{row.zero:.1%}" if row.zero else "-"
        lines.append([*start, _number(row.parameters), _number(row.elements), *counts, zero])
    counts = [_number(end.multiplications[m]) for m in methods]
    lines.append(["Total", "", "", "", _number(end.parameters), _number(end.elements), *counts, ""])
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


def total(model: keras.Model) -> LayerRow:
    """The last line of the summary: parameters, elements, multiplications of all layers together.

    A layer that a method cannot serve counts with the expanded one.

    Raises:
        ValueError: if the model is not built.

    Example:

    >>> import keras_phase
    >>> model = keras.Sequential([keras.Input((4,)), keras_phase.AlgebraDense(3)])
    >>> total(model).parameters, total(model).multiplications
    (18, {'expanded': 24, 'factored': 18})
    """
    return _total(rows(model))


def _total(table: list[LayerRow]) -> LayerRow:
    elements = sum(row.elements for row in table)
    methods = [m for m in METHODS if any(m in row.multiplications for row in table)]
    counts = [row.multiplications for row in table if row.multiplications]
    return LayerRow(
        name="Total",
        class_name="",
        parameters=sum(row.parameters for row in table),
        elements=elements,
        multiplications={m: sum(c.get(m, c["expanded"]) for c in counts) for m in methods},
        zero=sum(row.zero * row.elements for row in table) / elements if elements else 0.0,
    )


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
        multiplications=multiplications.of(layer),
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


def _number(n: int) -> str:
    return f"{n:,}" if n else "-"
