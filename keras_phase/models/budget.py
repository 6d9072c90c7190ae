"""Networks of equal size in different algebras."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from .blocks import require_positive


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
    sure. Where the polynomial is wrong, its prediction is improved with every model built, and the
    result is near the best, if the number grows with the width.

    Args:
        builder: a function with an argument `width`, such as `keras_phase.models.resnet`.
        parameters: the budget, in real numbers, whether they are trained or not.
        *args: of the builder.
        multiple: the result is a multiple of that: `num_heads` for `transformer`, twice as much
            where its heads turn in pairs of elements.
        **arguments: of the builder, without `width`.

    Raises:
        ValueError: if the budget or `multiple` is not positive.

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

    for steps in (1, 2, 3):
        count(steps)
    while True:
        guess, predicted = _nearest(known, parameters)
        if guess in known or count(guess) == predicted:
            return guess * multiple


def _nearest(known: dict[int, int], parameters: int) -> tuple[int, int]:
    """Best number of steps, and its parameters, by the parabola through three known points."""
    points = sorted(known, key=lambda steps: abs(known[steps] - parameters))[:3]
    parabola = np.polynomial.Polynomial.fit(points, [known[s] for s in points], 2).convert()
    roots = (parabola - parameters).roots()
    real = [r.real for r in np.atleast_1d(roots) if abs(r.imag) < 1e-6 * max(1, abs(r))]
    start = int(max(real, default=1))
    candidates = [max(start + i, 1) for i in (0, 1)]
    best = min(candidates, key=lambda steps: abs(float(parabola(steps)) - parameters))
    return best, round(float(parabola(best)))
