"""The classifier of the examples: encode real features, dense layers over an algebra, decode."""

from typing import Any

import keras

import keras_phase
from keras_phase import algebras


def classifier(
    features: int,
    units: list[int],
    classes: int = 10,
    *,
    algebra: str = "complex",
    logits: str = "norm",
    **dense: Any,
) -> keras.Model:
    """A network of `PhaseDense` layers with ReLU between them (split: on each component).

    Args:
        features: real features of an input, in [0, 1].
        units: elements of each hidden layer.
        classes: number of logits.
        algebra: of the layers. Real features enter complex numbers as x exp(i pi x), other
            algebras as the first component.
        logits: how an element becomes a logit when d > 1, `to` of `FromAlgebra`.
        **dense: further arguments of every `PhaseDense`.
    """
    dimension = algebras.get(algebra).dimension
    entrance = (
        keras_phase.PhaseEncode() if dimension == 2 else keras_phase.ToAlgebra(algebra=algebra)
    )
    hidden = [
        keras_phase.PhaseDense(n, activation="relu", algebra=algebra, name=f"hidden_{i}", **dense)
        for i, n in enumerate(units, start=1)
    ]
    return keras.Sequential(
        [
            keras.Input((features,)),
            entrance,
            *hidden,
            keras_phase.PhaseDense(classes, algebra=algebra, name="classes", **dense),
            # The modulus of a real logit would not tell -3 from 3.
            keras_phase.FromAlgebra("first" if dimension == 1 else logits, algebra=algebra),
        ]
    )
