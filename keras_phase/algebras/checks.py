"""What an algebra record must satisfy: exact checks whose messages name the place that is wrong."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .factorization import read_only
from .laws import MAX_CONSTANT


def has_type(name: str, value: Any, expected: type, *others: None) -> None:
    """Raise `TypeError` unless `value` is an `expected`, or one of `others`."""
    if not isinstance(value, expected) and value not in others:
        kinds = " or ".join([expected.__name__, *map(str, others)])
        raise TypeError(f"Expected {name} to be of type {kinds}. Received: {name}={value!r}")


def as_basis(basis: Sequence[str]) -> tuple[str, ...]:
    """Different names of basis elements, as a tuple."""
    names = () if isinstance(basis, str) else tuple(basis)
    if not all(isinstance(name, str) for name in names) or not 0 < len(names) == len(set(names)):
        raise ValueError(
            "Expected a sequence of one or more different names of basis elements. "
            f"Received: basis={basis!r}"
        )
    return names


def as_integers(name: str, values: Any) -> np.ndarray:
    """Whole numbers of any type, as a read-only int64 array."""
    try:
        array = np.asarray(values, dtype="float64")
    except (TypeError, ValueError) as error:
        raise ValueError(f"Expected an array of integers. Received: {name}={values!r}") from error
    if not (np.abs(array) <= MAX_CONSTANT).all() or (array != np.rint(array)).any():
        raise ValueError(
            f"Expected integers between -{MAX_CONSTANT} and {MAX_CONSTANT}; a rescaled basis may "
            f"have them. Received: {name}={values!r}"
        )
    return read_only(array.astype(np.int64))


def has_shape(algebra: Any, name: str, array: np.ndarray, *ranks: int) -> None:
    """Every axis must have the algebra's dimension, and their number be one of `ranks`."""
    shapes = [(algebra.dimension,) * rank for rank in ranks]
    if array.shape not in shapes:
        raise ValueError(
            f"The algebra '{algebra.name}' has {algebra.dimension} basis elements, so {name} must "
            f"have the shape {' or '.join(map(str, shapes))}. Received: {name}.shape={array.shape}"
        )


def is_conjugation(algebra: Any) -> None:
    """The conjugation must be its own inverse and reverse products."""
    c, m = algebra.structure_constants, algebra.conjugation_matrix
    received = f"Received: conjugation={algebra.conjugation.tolist()}"
    wrong = np.argwhere(m @ m != np.eye(len(m), dtype=np.int64))
    if len(wrong):
        raise ValueError(
            f"The conjugation of '{algebra.name}' must be its own inverse; applied twice it "
            f"changes basis element {wrong[0][0]}. {received}"
        )
    of_product = c @ m
    # conj(e_j) conj(e_i) = sum_ba m[j, b] m[i, a] e_b e_a
    reversed_product = np.tensordot(m, np.tensordot(m, c, axes=(1, 0)), axes=(1, 1))
    wrong = np.argwhere(of_product != reversed_product)
    if len(wrong):
        i, j, _ = (int(index) for index in wrong[0])
        raise ValueError(
            f"The conjugation of '{algebra.name}' must reverse products, but for i={i}, j={j} "
            f"conj(e_i e_j) is {written(of_product[i, j], algebra.basis)} and conj(e_j) conj(e_i) "
            f"is {written(reversed_product[i, j], algebra.basis)}. {received}"
        )


def gives_table(algebra: Any, source: str, table: np.ndarray, denominator: int = 1) -> None:
    """What `source` computes, `table / denominator`, must be the structure constants, exactly."""
    c = algebra.structure_constants
    if table.shape != c.shape:
        raise ValueError(
            f"The algebra '{algebra.name}' has dimension {algebra.dimension}, {source} another "
            f"one. Received: dimension={len(table)}"
        )
    wrong = np.argwhere(table != c * denominator)
    if len(wrong):
        i, j, k = (int(index) for index in wrong[0])
        raise ValueError(
            f"The structure constants of '{algebra.name}' and {source} differ in {len(wrong)} of "
            f"{c.size} entries, first at [{i}, {j}, {k}]: expected {c[i, j, k]}. "
            f"Received: {Fraction(int(table[i, j, k]), denominator)}"
        )


def as_elements(algebra: Any, name: str, value: Any) -> np.ndarray:
    """An array whose last axis holds the components."""
    array = np.asarray(value)
    if array.ndim == 0 or array.shape[-1] != algebra.dimension:
        raise ValueError(
            f"Expected an array (..., {algebra.dimension}), the components of the algebra "
            f"'{algebra.name}' last. Received: {name}.shape={array.shape}"
        )
    return array


def written(element: np.ndarray, basis: Sequence[str]) -> str:
    """An element with whole components as one writes it, such as `2-i`."""
    text = ""
    for value, name in zip(element.tolist(), basis, strict=True):
        if value:
            sign = "-" if value < 0 else "+" if text else ""
            factor = "" if abs(value) == 1 and name != "1" else str(abs(value))
            text += sign + factor + ("" if name == "1" else name)
    return text or "0"
