"""Models for inference whose dense kernels are packed codes of few bits."""

import keras
import numpy as np
from keras import ops

from . import algebras
from .algebras import Algebra
from .layers.dense import DenseBody
from .layers.phase_coded import TOLERANCE, PhaseCodedDense
from .ops import phase_matmul
from .ops.phase_matmul import Coded


def quantize_phases(model: keras.Model, phase_bits: int | None = None) -> keras.Model:
    """A copy of `model` whose phase-coded dense kernels are stored and multiplied as codes.

    A kernel is phase-coded if all elements of an output unit have one modulus and directions among
    2^k code points (`ops.phase_code.code_points`), k at most 4, as `PhaseDense(amplitude="unit",
    phase_bits=k)`, sign pruning of real kernels and the constraint `PhaseQuantized` make them.
    Elements that were pruned to 0 take one bit more. Nothing is rounded: the copy computes what
    `model` does.

    Such layers (`AlgebraDense`, `PhaseDense`, and `keras.layers.Dense` with a kernel of signs)
    become `PhaseCodedDense` layers of the same names, biases and activations; all others are copied
    as they are, those inside wrappers too. The copy is not compiled.

    Args:
        model: a built Sequential or functional model.
        phase_bits: bits of the directions; then every `AlgebraDense` and `PhaseDense` layer has to
            be coded so. None takes the fewest bits for each kernel, and leaves what is not coded.

    Returns:
        The new model.

    Raises:
        TypeError: if `model` is neither Sequential nor functional.
        ValueError: if it is not built, no layer could be coded, or, with `phase_bits`, a kernel is
            not made of such directions.

    Example:

    >>> import keras_phase
    >>> model = keras.Sequential([
    ...     keras.Input((16,)),
    ...     keras_phase.PhaseDense(4, "relu", amplitude="unit", phase_bits=2, name="hidden"),
    ...     keras_phase.Modulus(),
    ... ])
    >>> small = quantize_phases(model)
    >>> small.layers[0].phase_bits, tuple(small.layers[0].codes.shape)
    (2, (1, 4, 4))
    """
    _check(model)
    pairs: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []
    coded: dict[int, Coded] = {}

    def rebuild(layer: keras.layers.Layer) -> keras.layers.Layer:
        found = _coded(layer, phase_bits)
        if found is None:
            new = type(layer).from_config(layer.get_config())
        else:
            new, coded[id(layer)] = found
        pairs.append((layer, new))
        return new

    copy = keras.models.clone_model(model, clone_function=rebuild, recursive=True)
    if not coded:
        raise ValueError(
            f"No dense kernel of '{model.name}' is phase-coded. Expected elements of one modulus "
            "in each output unit and directions among 2, 4, 8 or 16, as of "
            "`PhaseDense(amplitude='unit', phase_bits=2)`; with `phase_bits=...` the error says "
            f"how far the kernels are from that. Received: phase_bits={phase_bits}"
        )
    for old, new in pairs:
        if id(old) in coded:
            new.take_over(old, coded[id(old)])
        elif old.weights:
            new.set_weights(old.get_weights())
    return copy


def _check(model: keras.Model) -> None:
    graph = isinstance(model, keras.Sequential) or (
        isinstance(model, keras.Model) and getattr(model, "inputs", None)
    )
    if not graph:
        raise TypeError(
            "Expected a Sequential or functional model: the layers of other ones are called by "
            "their own code. Build that code with `PhaseCodedDense` layers instead. "
            f"Received: model of type {type(model).__name__}"
        )
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' has no weights yet: call it on data, or give it an "
            f"`Input`, first. Received: model.built={model.built}"
        )


def _coded(
    layer: keras.layers.Layer, phase_bits: int | None
) -> tuple[PhaseCodedDense, Coded] | None:
    """The layer that takes the place of `layer`, and its kernel; None if it stays."""
    if isinstance(layer, DenseBody):
        algebra = layer.algebra
        kernel = ops.convert_to_numpy(layer.kernel)
    elif type(layer) is keras.layers.Dense and not getattr(layer, "quantization_mode", None):
        algebra, phase_bits = algebras.get("real"), None
        kernel = ops.convert_to_numpy(layer.kernel)[None]
    else:
        return None
    zeros = _has_zeros(kernel)
    if phase_bits is None:
        found = _fewest_bits(kernel, algebra, zeros)
    else:
        found = phase_bits, _encoded(kernel, algebra, phase_bits, zeros, layer.name)
    if found is None:
        return None
    bits, coded = found
    new = PhaseCodedDense(
        layer.units,
        layer.get_config()["activation"],
        layer.use_bias,
        phase_bits=bits,
        zeros=zeros,
        algebra=algebra,
        name=layer.name,
        dtype=layer.dtype_policy,
    )
    return new, coded


def _encoded(kernel: np.ndarray, algebra: Algebra, bits: int, zeros: bool, name: str) -> Coded:
    coded = phase_matmul.encode(kernel, phase_matmul.codebook(algebra, bits, zeros))
    if not coded.distance <= TOLERANCE:
        raise ValueError(
            f"The kernel of the layer '{name}' is not made of {bits}-bit directions with one "
            f"modulus for each output unit: an element is {coded.distance:.3g} times its unit's "
            f"mean modulus away from the nearest one (at most {TOLERANCE:g} is exact). Train it "
            "so, with `PhaseDense(amplitude='unit', phase_bits=...)`, or leave `phase_bits` out: "
            f"then such layers stay as they are. Received: phase_bits={bits}"
        )
    return coded


def _fewest_bits(kernel: np.ndarray, algebra: Algebra, zeros: bool) -> tuple[int, Coded] | None:
    if not _has_shared_moduli(kernel):
        return None
    for bits in range(1, phase_matmul.MAX_BITS + 1):
        try:
            points = phase_matmul.codebook(algebra, bits, zeros)
        except ValueError:  # none of that size
            continue
        coded = phase_matmul.encode(kernel, points)
        if coded.distance <= TOLERANCE:
            return bits, coded
    return None


def _has_zeros(kernel: np.ndarray) -> bool:
    """Whether elements are 0 in units that are not: a unit of zeros has the scale 0."""
    present = (kernel != 0).any(axis=0)
    return bool((~present & present.any(axis=0)).any())


def _has_shared_moduli(kernel: np.ndarray) -> bool:
    """Whether the elements of each unit that are not 0 have one modulus: most kernels do not."""
    square = np.square(kernel.astype("float64")).sum(axis=0)
    most = square.max(axis=0, initial=0.0)
    return bool(((square == 0) | (square >= most * (1 - 4 * TOLERANCE))).all())
