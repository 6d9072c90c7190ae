"""Algebras over the reals as data; this folder knows NumPy and no framework.

`get("quaternion")` gives the record that every layer, initializer and product method derives from.
"""

from typing import Any

from ..registry import Registry
from . import tables as _tables
from .algebra import Algebra as Algebra
from .algebra import MatrixForm as MatrixForm
from .construct import cayley_dickson as cayley_dickson
from .construct import clifford as clifford
from .construct import group_algebra as group_algebra
from .construct import matrix_algebra as matrix_algebra
from .construct import tensor_product as tensor_product
from .factorization import BilinearFactorization as BilinearFactorization

# A shipped row is a function until its first use; a registered user's algebra is a record.
_REGISTRY = Registry("algebra")
for _name, _build in _tables.ROWS.items():
    _REGISTRY.add(_name, _build)
_BUILT: dict[str, Algebra] = {}


def get(identifier: Any) -> Algebra:
    """An algebra from its name, its record, or its config.

    Raises:
        ValueError: if the name is unknown or the config is inconsistent.
        TypeError: if the identifier is of another type.
    """
    if isinstance(identifier, Algebra):
        return identifier
    if isinstance(identifier, dict):
        return Algebra.from_config(identifier)
    if not isinstance(identifier, str):
        raise TypeError(
            "Expected the name of an algebra, an `Algebra` or its config. "
            f"Received: algebra={identifier!r} (of type {type(identifier).__name__})"
        )
    if identifier not in _BUILT:
        row = _REGISTRY.get(identifier)
        _BUILT[identifier] = row if isinstance(row, Algebra) else row()
    return _BUILT[identifier]


def names() -> list[str]:
    """Names of the registered algebras, the shipped ones first."""
    return _REGISTRY.names()


def register(algebra: Algebra) -> Algebra:
    """Make a user's algebra known by its name.

    Raises:
        ValueError: if the name is taken.
    """
    return _REGISTRY.add(algebra.name, algebra)


def serialize(algebra: Algebra) -> str | dict[str, Any]:
    """What `get` reads back: the name of a registered algebra, the content of any other."""
    if algebra.name in _REGISTRY and get(algebra.name) == algebra:
        return algebra.name
    return algebra.get_config()


def markdown_table() -> str:
    """The registered algebras and their laws, as a Markdown table."""
    lines = [
        "| algebra | dimension | terms | rank | unital | commutative | associative | composition |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names():
        a = get(name)
        flags = (a.is_unital, a.is_commutative, a.is_associative, a.is_composition)
        cells = [f"`{name}`", a.dimension, a.num_terms, a.rank or "-"]
        cells += ["yes" if flag else "no" for flag in flags]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"
