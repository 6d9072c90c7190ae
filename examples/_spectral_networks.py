"""The networks of `spectral_learning.py`: plain ones, spectral ones, sparse ones."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from data import Dataset
from keras_phase import AlgebraDense
from keras_phase.parametrizations import (
    Cartesian,
    DynamicSparse,
    Parametrization,
    Spectral,
    SpectralQR,
    SpectralSVD,
)

OPTIMIZED = {
    "in_initializer": "optimized_uniform",
    "out_initializer": "optimized_uniform",
    "vectors_initializer": "optimized_uniform",
}
# How a kernel is made, by the name of the method; eigenvectors are frozen but for QR's triangle.
METHODS: dict[str, Callable[[], Parametrization]] = {
    "dense": Cartesian,
    "one set": lambda: Spectral(
        train_in=None,
        train_vectors=False,
        out_initializer="half_uniform",
        vectors_initializer="half_uniform",
    ),
    "two sets": lambda: Spectral(train_vectors=False, **OPTIMIZED),
    # The authors' factors: independent entries.
    "svd": lambda: SpectralSVD(
        orthogonal=False, in_initializer="receiving", out_initializer="receiving"
    ),
    "qr": lambda: SpectralQR(in_initializer="direct", out_initializer="direct"),
}
# Learning rates, by experiment, data set and method; "" is what holds for the others. The paper's
# where it states one.
SETTINGS: dict[str, dict[str, Any]] = {
    "width": {
        "optimizer": keras.optimizers.Adamax,
        "batch": 200,
        "activation": "relu",
        "patience": 8,
        "rates": {
            ("mnist", "qr"): 0.005,
            ("mnist", ""): 0.015,
            ("fashion_mnist", "dense"): 0.001,
            ("fashion_mnist", "qr"): 0.001,
            ("", ""): 0.015,
        },
    },
    "eigenvalues": {
        "optimizer": keras.optimizers.Adamax,
        "batch": 500,
        "activation": "tanh",
        "patience": None,
        "rates": {("", ""): 0.02},
    },
    "sparse": {
        "optimizer": keras.optimizers.Adam,
        "batch": 200,
        "activation": "tanh",
        "patience": 5,
        "rates": {("mnist", ""): 0.005, ("", ""): 0.001},
    },
}
QUICK = {"epochs": 3}


def hidden_sizes(experiment: str, size: int) -> tuple[int, int]:
    """Nodes of the two hidden layers."""
    return (size, size // 10) if experiment == "eigenvalues" else (size, size)


def network(experiment: str, method: str, size: int, percentile: float, inputs: int) -> keras.Model:
    """A network with two hidden layers and ten classes."""
    activation = SETTINGS[experiment]["activation"]

    def dense(units: int, activation: str) -> AlgebraDense:
        parametrization = METHODS[method]()
        if percentile:
            parametrization = DynamicSparse(parametrization, percentile)
        # The paper's sparse Dense has no bias, its sparse QR has; here both have.
        return AlgebraDense(
            units,
            activation,
            use_bias=experiment != "eigenvalues",
            algebra="real",
            parametrization=parametrization,
        )

    hidden = [dense(n, activation) for n in hidden_sizes(experiment, size)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, dense(10, "softmax")])


def trained_numbers(model: keras.Model) -> int:
    """How many numbers are trained."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_weights)


def train(
    experiment: str, dataset: Dataset, method: str, size: int, percentile: float, epochs: int
) -> dict[str, Any]:
    """Train one network; its accuracy on the test images, and what it took."""
    settings = SETTINGS[experiment]
    rates = settings["rates"]
    rate = next(
        rates[k] for k in ((dataset.name, method), (dataset.name, ""), ("", "")) if k in rates
    )
    model = network(experiment, method, size, percentile, dataset.x_train.shape[1])
    model.compile(
        settings["optimizer"](rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    callbacks, validation = [], 0.0
    if settings["patience"]:
        validation = 0.2
        stop = {"monitor": "val_accuracy", "patience": settings["patience"]}
        callbacks.append(keras.callbacks.EarlyStopping(**stop, restore_best_weights=True))
    history = model.fit(
        dataset.x_train,
        dataset.y_train,
        batch_size=settings["batch"],
        epochs=epochs,
        validation_split=validation,
        callbacks=callbacks,
        verbose=0,
    )
    _, accuracy = model.evaluate(dataset.x_test, dataset.y_test, batch_size=1000, verbose=0)
    return {
        "trained": trained_numbers(model),
        "accuracy": round(accuracy, 4),
        "learning_rate": rate,
        "epochs_run": len(history.epoch),
    }
