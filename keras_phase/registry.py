"""Named objects: the one way in which strings become algebras, activations, methods, criteria."""

from collections.abc import Callable, Iterator
from typing import Any


class Registry:
    """Objects by name, in the order in which they were added.

    Args:
        noun: what the objects are, in the singular; error messages use it.

    Example:

    >>> shapes = Registry("shape")
    >>> shapes.add("point", 0)
    0
    >>> @shapes.register("square")
    ... def square(side):
    ...     return side**2
    >>> shapes.names()
    ('point', 'square')
    >>> shapes.get("circle")
    Traceback (most recent call last):
        ...
    ValueError: Unknown shape. Expected one of: point, square. Received: shape='circle'
    """

    def __init__(self, noun: str):
        self.noun = noun
        self._objects: dict[str, Any] = {}

    def add(self, name: str, obj: Any) -> Any:
        """Add `obj` under `name` and return it.

        Raises:
            TypeError: if the name is not a string.
            ValueError: if the name is empty or taken.
        """
        if not isinstance(name, str):
            raise TypeError(f"Expected a string as the name of the {self.noun}. Received: {name=}")
        if not name:
            raise ValueError(f"The name of the {self.noun} must not be empty. Received: {name=}")
        if name in self._objects:
            article = "an" if self.noun[0] in "aeiou" else "a"
            raise ValueError(
                f"There is already {article} {self.noun} of that name; choose another one. "
                f"Received: name={name!r}"
            )
        self._objects[name] = obj
        return obj

    def register(self, name: str) -> Callable[[Any], Any]:
        """Decorator that adds the decorated function or class under `name`."""
        return lambda obj: self.add(name, obj)

    def get(self, name: str) -> Any:
        """The object of that name.

        Raises:
            ValueError: if the name is unknown; the message lists the known ones.
        """
        if name not in self:
            raise ValueError(
                f"Unknown {self.noun}. Expected one of: {', '.join(self._objects)}. "
                f"Received: {self.noun}={name!r}"
            )
        return self._objects[name]

    def names(self) -> tuple[str, ...]:
        """All names, oldest first."""
        return tuple(self._objects)

    def __contains__(self, name: Any) -> bool:
        # Identifiers of any type are looked up here, unhashable ones (a config) too.
        return isinstance(name, str) and name in self._objects

    def __iter__(self) -> Iterator[str]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def __repr__(self) -> str:
        return f"Registry({self.noun!r}: {', '.join(self._objects)})"
