"""Checks of arguments that layers and models share."""

from typing import Any


def require_positive(what: str = "", /, **sizes: Any) -> None:
    """Raise for arguments that are not positive integers, or tuples of them.

    Args:
        what: what the numbers count, for the message.
        **sizes: the arguments by name.

    Raises:
        ValueError: with the argument's name and value.
    """
    for name, value in sizes.items():
        for size in value if isinstance(value, tuple) else (value,):
            if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
                expected = f"a positive integer, {what}" if what else "a positive integer"
                raise ValueError(
                    f"Expected `{name}` to be {expected}. "
                    f"Received: {name}={value!r} of type {type(value).__name__}"
                )
