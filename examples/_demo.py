"""The demo: train a network intact and under pruning, compare, draw, export, serve."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_phase
from _networks import classifier
from _results import percent, table
from data import Dataset
from keras_phase import algebras, export
from keras_phase.pruning import Variant

_LARGEST_DIFFERENCE = 1e-5
_INTACT = Variant("intact", None)
# What a server does that has TensorFlow and has never heard of keras_phase.
_SERVE = """
import sys, numpy, tensorflow
folder, inputs, outputs = sys.argv[1:]
served = tensorflow.saved_model.load(folder)
numpy.save(outputs, served.serve(numpy.load(inputs)).numpy())
sys.exit("keras_phase was imported" if "keras_phase" in sys.modules else 0)
"""


class Trainer:
    """Trains networks that differ in nothing but how they are pruned.

    Args:
        dataset: images and labels.
        algebra: name of the weights' algebra.
        units: hidden elements.
        epochs: None for what the size of the data set needs.
        seed: of the initial weights and of the order of the images.
    """

    def __init__(self, dataset: Dataset, algebra: str, units: int, epochs: int | None, seed: int):
        is_small = len(dataset.x_train) < 10_000
        self.algebra, self.units, self.seed = algebra, units, seed
        self.epochs = epochs or (15 if is_small else 5)
        self.batch_size = 32 if is_small else 256
        self.train = dataset.x_train, keras.utils.to_categorical(dataset.y_train, 10)
        self.test = dataset.x_test, keras.utils.to_categorical(dataset.y_test, 10)
        self.steps = self.epochs * -(-len(dataset.x_train) // self.batch_size)

    def network(self, **dense: Any) -> keras.Model:
        """A new network; `dense` are further arguments of its `PhaseDense` layers."""
        keras.utils.set_random_seed(self.seed)
        features = self.train[0].shape[1]
        return classifier(features, [self.units], algebra=self.algebra, use_bias=False, **dense)

    def half_time(self) -> dict[str, int]:
        """`end_step` and `frequency` of a schedule that ends after half of the training."""
        frequency = max(1, self.steps // 40)
        return {"end_step": self.steps // 2 // frequency * frequency, "frequency": frequency}

    def fit(
        self, callbacks: Iterable[keras.callbacks.Callback], verbose: int = 0, **dense: Any
    ) -> keras.Model:
        """Train a new network."""
        model = self.network(**dense)
        model.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.005, self.steps)),
            keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
            metrics=["accuracy"],
        )
        model.fit(
            *self.train, self.batch_size, self.epochs, verbose=verbose, callbacks=list(callbacks)
        )
        return model

    def probe(self, *variants: Variant) -> keras_phase.PhaseProbe:
        """A callback that evaluates pruned copies after every epoch."""
        return keras_phase.PhaseProbe(self.test, variants=variants, batch_size=2000)

    def accuracy(self, model: keras.Model) -> float:
        """Test accuracy."""
        return model.evaluate(*self.test, batch_size=2000, verbose=0, return_dict=True)["accuracy"]


def run(
    dataset: Dataset, output: Path, *, algebra: str, units: int, epochs: int | None, seed: int
) -> None:
    """Run the demo on `dataset`, with figures and SavedModel in the folder `output`.

    Args:
        dataset: images and labels.
        output: an existing folder.
        algebra: name of the weights' algebra.
        units: hidden elements.
        epochs: None for what the size of the data set needs.
        seed: of the initial weights and of the order of the images.
    """
    trainer = Trainer(dataset, algebra, units, epochs, seed)
    dimension = algebras.get(algebra).dimension
    phase, *others = _variants(dimension)
    print(
        f"{dataset.name}: {len(dataset.x_train)} training and {len(dataset.x_test)} test images; "
        f"{units} hidden elements over the algebra '{algebra}'; {trainer.epochs} epochs"
    )

    print("\nThe intact network. After each epoch copies of it are pruned and evaluated.")
    # The progress bar comes before the probe, whose results would make it too long.
    one_shot = trainer.probe(_INTACT, phase, *others)
    intact = trainer.fit([keras.callbacks.ProgbarLogger(), one_shot], verbose=1)

    print(f"\nThe same network, pruned to '{phase.name}' while it trains.")
    schedule = keras_phase.PhasePolynomialDecay(0.0, 1.0, begin_step=0, **trainer.half_time())
    along = trainer.probe(_INTACT)
    # A real weight's sign only turns if something continuous lies behind it.
    dense = {"amplitude": "element"} if dimension == 1 else {}
    callbacks = [keras_phase.PruningCallback(schedule), keras.callbacks.ProgbarLogger(), along]
    pruned = trainer.fit(callbacks, verbose=1, **dense)

    print("\nThe other ways to prune, in the same way:", end="", flush=True)
    trained = {_INTACT: trainer.accuracy(intact), phase: trainer.accuracy(pruned)}
    for variant in others:
        print(f" {variant.name} ...", end="", flush=True)
        trained[variant] = trainer.accuracy(trainer.fit([_callback(variant, trainer)]))

    rows = [
        {
            "kept of the weights": variant.name,
            "one-shot %": percent(one_shot.history[variant.name][-1][1]["accuracy"]),
            "trained with the schedule %": percent(accuracy),
        }
        for variant, accuracy in trained.items()
    ]
    print(f"\n\nTest accuracy:\n\n{table(rows)}\n")

    curves = {**one_shot.history, f"{phase.name}, trained": along.history["intact"]}
    _draw(output, curves, [trainer.network(), intact, pruned])
    _export(pruned, dataset.x_test[:1000], output / "saved_model")


def _variants(dimension: int) -> list[Variant]:
    """The ways to prune, phase first; each keeps half of the numbers, or of the elements."""
    parts = {
        1: [],
        2: [("real part only", "real"), ("imaginary part only", "imaginary")],
    }.get(dimension, [("first component only", "first"), ("other components only", "rest")])
    return [
        Variant("sign only" if dimension == 1 else "phase only", "phase"),
        Variant("amplitude only", "amplitude"),
        *(Variant(name, criterion) for name, criterion in parts),
        Variant("random half of nodes", "random", 0.5, granularity="node", hidden=True, draws=3),
        Variant("50 % magnitude", "magnitude", 0.5),
    ]


def _callback(variant: Variant, trainer: Trainer) -> keras_phase.PruningCallback:
    """What prunes a network to `variant` while it trains."""
    end = trainer.half_time()
    if variant.criterion == "random":
        # All at once: a node that comes back in a later draw would come back dead.
        end["end_step"] = 0
    return keras_phase.PruningCallback(
        keras_phase.PolynomialDecay(0.0, variant.fraction, begin_step=0, **end),
        criterion=variant.criterion,
        granularity=variant.granularity,
        layers=["hidden_1"] if variant.hidden else None,
    )


def _draw(output: Path, curves: dict[str, Any], models: list[keras.Model]) -> None:
    """Three figures: accuracy by epoch, and the first weights at the start and after training."""
    from matplotlib import pyplot

    from keras_phase import plots

    pyplot.switch_backend("agg")
    plots.variant_curves(curves).figure.savefig(output / "accuracy.png", dpi=150)

    titles = ("at the start", "trained intact", "trained under pruning")
    layers = [model.get_layer("hidden_1") for model in models]
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for ax, title, layer in zip(axes, titles, layers, strict=True):
        plots.weight_cloud(layer, ax).set_title(title)
    figure.savefig(output / "weights.png", dpi=150)

    ax = plots.phase_histogram(layers[0], label=titles[0])
    plots.phase_histogram(layers[2], ax, label=titles[2])
    ax.figure.savefig(output / "phases.png", dpi=150)
    print(
        f"Figures: {', '.join(str(output / f'{n}.png') for n in ('accuracy', 'weights', 'phases'))}"
    )


def _export(model: keras.Model, x: np.ndarray, folder: Path) -> None:
    """Export class probabilities, serve them from a process of its own, and compare."""
    served = keras.Sequential([model, keras.layers.Softmax()])
    export.export_saved_model(served, folder, overwrite=True)
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs = Path(scratch, "x.npy"), Path(scratch, "y.npy")
        np.save(inputs, x)
        subprocess.run([sys.executable, "-c", _SERVE, folder, inputs, outputs], check=True)
        difference = np.abs(np.load(outputs) - served.predict(x, verbose=0)).max()
    print(
        f"SavedModel: {folder}, loaded and run by a process without keras_phase; the largest "
        f"difference of a predicted probability is {difference:.1e}"
    )
    if not difference < _LARGEST_DIFFERENCE:
        raise RuntimeError(
            f"The served model predicts something else. Expected: a difference below "
            f"{_LARGEST_DIFFERENCE:g}. Received: {difference:.1e}"
        )
