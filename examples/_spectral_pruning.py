"""The three kinds of experiment of `spectral_pruning.py`: train, rank, remove, evaluate."""

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from data import Dataset
from keras_phase import SpectralDense
from keras_phase.pruning import nodes
from keras_phase.pruning.pretraining import with_vectors

FRACTIONS = (0.05, 0.5, 0.7, 0.8, 0.9, 0.95)
# One set of eigenvalues, both drawn as in the paper.
SPECTRAL = {
    "train_in": None,
    "out_initializer": "pruning_uniform",
    "vectors_initializer": "pruning_uniform",
}
# Training images that the scores with data see.
CALIBRATION = 10_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What all networks of a run share.

    Attributes:
        epochs: of the training.
        free_epochs: of the second stage of the filter.
        batch: images in a step.
        rate: of Adam.
    """

    epochs: int
    free_epochs: int
    batch: int = 200
    rate: float = 1e-3

    @staticmethod
    def widths(name: str) -> tuple[int, ...]:
        """`"3x500"` to `(500, 500, 500)`.

        Raises:
            ValueError: if the name is of another form.
        """
        found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", name)
        if not found:
            raise ValueError(f"Expected a network such as '3x500'. Received: {name!r}")
        layers, width = map(int, found.groups())
        return (width,) * layers


def network(
    dataset: Dataset, widths: tuple[int, ...], activation: str, settings: Settings, spectral: bool
) -> keras.Model:
    """A compiled network without biases; its output layer is of the same kind as the others."""

    def layer(units: int, activation: str) -> keras.layers.Layer:
        if spectral:
            return SpectralDense(units, activation, use_bias=False, **SPECTRAL)
        return keras.layers.Dense(units, activation, use_bias=False)

    hidden = [layer(width, activation) for width in widths]
    model = keras.Sequential(
        [keras.Input(dataset.x_train.shape[1:]), *hidden, layer(10, "softmax")]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(settings.rate), loss, metrics=["accuracy"])
    return model


def _fit(model: keras.Model, dataset: Dataset, settings: Settings, epochs: int) -> None:
    model.fit(dataset.x_train, dataset.y_train, batch_size=settings.batch, epochs=epochs, verbose=0)


def _accuracy(model: keras.Model, dataset: Dataset) -> float:
    _, accuracy = model.evaluate(dataset.x_test, dataset.y_test, batch_size=1000, verbose=0)
    return round(accuracy, 4)


def _pruned(model: keras.Model, fraction: float, **by: Any) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        # The authors' curves go on where a layer is emptied.
        warnings.simplefilter("ignore", nodes.EmptiedWarning)
        return nodes.prune_nodes(model, fraction, **by)


def _ranked(
    dataset: Dataset,
    widths: tuple[int, ...],
    activation: str,
    settings: Settings,
    spectral: bool,
) -> list[Row]:
    """One trained network under every ranking that it has."""
    model = network(dataset, widths, activation, settings, spectral)
    _fit(model, dataset, settings, settings.epochs)
    intact, weights = _accuracy(model, dataset), model.get_weights()
    calibration = dataset.x_train[:CALIBRATION]
    rows = []
    for by in nodes.SCORES:
        if by == "eigenvalue" and not spectral:
            continue
        model.set_weights(weights)
        scores = nodes.node_scores(model, by, data=calibration)
        for fraction in FRACTIONS:
            model.set_weights(weights)
            _pruned(model, fraction, by=scores)
            accuracy = _accuracy(model, dataset)
            rows.append({"by": by, "fraction": fraction, "accuracy": accuracy, "intact": intact})
    return rows


def spectral(dataset: Dataset, widths: tuple, activation: str, settings: Settings) -> list[Row]:
    """Eigenvalues and eigenvectors trained together."""
    return _ranked(dataset, widths, activation, settings, spectral=True)


def dense(dataset: Dataset, widths: tuple, activation: str, settings: Settings) -> list[Row]:
    """A plain network."""
    return _ranked(dataset, widths, activation, settings, spectral=False)


def filtered(dataset: Dataset, widths: tuple, activation: str, settings: Settings) -> list[Row]:
    """The pre-training filter: one stage of eigenvalues, then a network for each fraction."""
    whole = network(dataset, widths, activation, settings, spectral=True)
    first = with_vectors(whole, False)
    _fit(first, dataset, settings, settings.epochs)
    intact, weights = _accuracy(first, dataset), first.get_weights()
    rows = []
    for fraction in FRACTIONS:
        first.set_weights(weights)
        kept = _pruned(first, fraction, by="eigenvalue")
        accuracy = math.nan  # a layer without nodes leaves nothing to train
        if all(keep.any() for keep in kept.values()):
            second = with_vectors(first, True)
            second.optimizer.iterations.assign(0)
            _fit(second, dataset, settings, settings.free_epochs)
            accuracy = _accuracy(second, dataset)
        row = {"by": "eigenvalue", "fraction": fraction, "accuracy": accuracy, "intact": intact}
        rows.append(row)
    return rows


KINDS: dict[str, Callable[..., list[Row]]] = {
    "spectral": spectral,
    "dense": dense,
    "filter": filtered,
}
