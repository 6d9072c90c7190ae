"""Networks of equal size in different algebras."""

from collections.abc import Callable
from typing import Any

import keras

from ..layers.arguments import require_positive


def width_for(
    builder: Callable[..., keras.Model],
    parameters: int,
    *args: Any,
    multiple: int = 1,
    **arguments: Any,
) -> int:
    """The width at which a model has the number of real parameters nearest to a budget.

    The number of parameters of a network is a polynomial of degree 2 in its width, so three narrow
    models tell it for all widths; the model of the width that comes out is built once, to make
    sure. Where it has another number, the width is searched by halving, which wants no more than
    that the number grows with the width. Widths are whole: in an algebra of many dimensions one
    more element is many real numbers, and the nearest model may be some percent away.

    Args:
        builder: a function with an argument `width`, such as `keras_phase.models.resnet`.
        parameters: the budget, in real numbers, trained or not (as `count_params` counts).
        *args: of the builder.
        multiple: the result is a multiple of that: `num_heads` for `transformer`, twice as much
            where its heads turn in pairs of elements.
        **arguments: of the builder, without `width`.

    Raises:
        ValueError: if the budget or `multiple` is not positive, or the number does not grow.

    Example:

    >>> import keras_phase
    >>> budget = keras_phase.models.resnet((32, 32, 3), 10, algebra="real", depth=8).count_params()
    >>> width_for(
    ...     keras_phase.models.resnet, budget, (32, 32, 3), 10, algebra="quaternion", depth=8
    ... )
    8

    Degenerate case: a budget below the narrowest model's gives the narrowest, `multiple`.
    """
    require_positive(parameters=parameters, multiple=multiple)
    known: dict[int, int] = {}

    def count(steps: int) -> int:
        if steps not in known:
            known[steps] = builder(*args, width=steps * multiple, **arguments).count_params()
        return known[steps]

    first, second, third = (count(steps) for steps in (1, 2, 3))
    if third <= first:
        raise ValueError(
            "Expected a builder whose number of parameters grows with its argument `width`. "
            f"Received: {third} parameters at the width {3 * multiple}, {first} at {multiple}"
        )
    bend = (third - 2 * second + first) / 2
    if bend >= 0:
        slope = second - first - 3 * bend
        guess = _nearest(lambda n: first + slope * (n - 1) + bend * (n**2 - 1), parameters)
        if count(guess) == first + slope * (guess - 1) + bend * (guess**2 - 1):
            return guess * multiple
    return _nearest(count, parameters) * multiple


def _nearest(count: Callable[[int], float], budget: int) -> int:
    """The positive integer at which an increasing function is nearest to a budget."""
    high = 1
    while count(high) < budget:
        high *= 2
    low = max(high // 2, 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < budget else (low, middle)
    return min((low, high), key=lambda steps: abs(count(steps) - budget))
