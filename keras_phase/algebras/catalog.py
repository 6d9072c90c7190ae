"""The named algebras: look-up, registration and serialization."""

import functools
from collections.abc import Callable
from typing import Any

from ..registry import Registry
from .algebra import Algebra

# Functions that make the rows: a row costs nothing until somebody asks for it.
_ROWS = Registry("algebra")


def row(name: str) -> Callable[[Callable[[], Algebra]], Callable[[], Algebra]]:
    """Decorator: register the algebra that the function makes, once, at its first use."""
    return lambda make: _ROWS.add(name, functools.cache(make))


def names() -> tuple[str, ...]:
    """Names of all registered algebras."""
    return _ROWS.names()


def get(identifier: "str | Algebra | dict") -> Algebra:
    """The algebra that a name, an `Algebra` or a config stands for.

    Raises:
        ValueError: if the name is unknown; the message lists the known ones.
        TypeError: if `identifier` is of another type.

    Example:

    >>> get("quaternion").basis
    ('1', 'i', 'j', 'k')
    """
    if isinstance(identifier, Algebra):
        return identifier
    if isinstance(identifier, str):
        return _ROWS.get(identifier)()
    if isinstance(identifier, dict):
        return Algebra.from_config(identifier)
    raise TypeError(
        "Expected the name of an algebra, an `Algebra` or its config. "
        f"Received: algebra={identifier!r}"
    )


def register(algebra: Algebra) -> Algebra:
    """Give a user's algebra its name in this process, and return it.

    Everything works on an algebra that is not registered, too; it is then saved by content, and a
    registered one by name. So a file with a registered algebra loads only where it is registered.
    Registering an equal algebra again changes nothing.

    Raises:
        TypeError: if `algebra` is not an `Algebra`.
        ValueError: if another algebra has the name.
    """
    if not isinstance(algebra, Algebra):
        raise TypeError(f"Expected an `Algebra`. Received: algebra={algebra!r}")
    if algebra.name not in _ROWS or get(algebra.name) != algebra:
        _ROWS.add(algebra.name, lambda: algebra)
    return algebra


def serialize(algebra: Any) -> "str | dict":
    """The name of a registered algebra, the content of another one; `get` reads both.

    Args:
        algebra: anything that `get` takes.
    """
    algebra = get(algebra)
    registered = algebra.name in _ROWS and get(algebra.name) == algebra
    return algebra.name if registered else algebra.get_config()
