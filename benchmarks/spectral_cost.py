"""Cost of spectral layers in training, and what shrinking a network brings.

    python benchmarks/spectral_cost.py            paired times of training steps
    python benchmarks/spectral_cost.py --shrink   784-2000-10 with 90 % of its hidden nodes removed

Training: one dense layer and Adam, forward, backward and update as one `tf.function`, against the
layer with a plain kernel. Goals at batch 128 and width 1000: at most 1.05 with one set of
eigenvalues, 1.25 with two; everything is trained. Shrinking: the whole network with its mask
against the smaller one, a batch of 256, through the exported serving signature, `predict_on_batch`
and the model's call; goals: 4 times as fast served, files at least 9 times smaller.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from keras_phase import AlgebraDense
from keras_phase.export import export_saved_model
from keras_phase.parametrizations import Cartesian, Spectral, SpectralQR, SpectralSVD
from keras_phase.pruning import nodes
from pairing import compare, write

KINDS = {
    "one set, out": Spectral(train_in=None),
    "one set, in": Spectral(train_out=None),
    "two sets": Spectral(),
    "two sets alone": Spectral(train_vectors=False),
    "svd": SpectralSVD(),
    "qr": SpectralQR(),
}

_ROUNDS = flags.DEFINE_integer("rounds", 25, "Paired rounds.")
_STEPS = flags.DEFINE_integer("steps", 20, "Training steps a round.")
_BATCH = flags.DEFINE_integer("batch", 128, "Samples in a step.")
_WIDTH = flags.DEFINE_integer("width", 1000, "Inputs and outputs of the layer.")
_KINDS = flags.DEFINE_list("kinds", list(KINDS), "Parametrizations to time.")
_SHRINK = flags.DEFINE_bool("shrink", False, "Time the smaller network instead.")


def training_step(parametrization: object) -> Callable[[], float]:
    """A compiled step on fixed data, with the gradient by the input that layers before it need."""
    width, batch = _WIDTH.value, _BATCH.value
    layer = AlgebraDense(width, "relu", algebra="real", parametrization=parametrization)
    layer.build((None, width))
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(layer.trainable_variables)
    x = tf.random.normal((batch, width), seed=1)
    weight = tf.random.normal((batch, width), seed=2)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * weight)
        variables = [v.value for v in layer.trainable_variables]
        of_input, *slopes = tape.gradient(loss, [x, *variables])
        optimizer.apply(slopes, layer.trainable_variables)
        return loss + tf.reduce_sum(of_input)

    return lambda: float(step().numpy())


def train() -> list[dict]:
    """Every parametrization against the plain kernel."""
    rows = []
    for kind in _KINDS.value:
        found = compare(
            training_step(KINDS[kind]), training_step(Cartesian()), _ROUNDS.value, _STEPS.value
        )
        settings = {"kind": kind, "batch": _BATCH.value, "width": _WIDTH.value}
        rows.append({**settings, **dataclasses.asdict(found)})
        print(f"{kind}: {found.ratio:.3f} ({found.ours_ms:.2f} / {found.peer_ms:.2f} ms)")
    return rows


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def shrink() -> list[dict]:
    """The network with its mask against the smaller one."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(2000, "relu"),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    nodes.prune_nodes(model, 0.9, by="kernel_norm")
    smaller = nodes.shrink(model)
    x = np.random.default_rng(0).normal(size=(256, 784)).astype("float32")
    error = float(np.abs(smaller.predict_on_batch(x) - model.predict_on_batch(x)).max())
    served, bytes_of = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for i, one in enumerate((smaller, model)):
            folder = Path(scratch, str(i))
            export_saved_model(one, folder)
            bytes_of.append(size(folder))
            served.append(tf.saved_model.load(str(folder)))
        tensor = tf.constant(x)
        signatures = [s.signatures["serving_default"] for s in served]
        (name,) = signatures[0].structured_input_signature[1]
        (other,) = signatures[1].structured_input_signature[1]
        ways = {
            "serving signature": (
                lambda: signatures[0](**{name: tensor}),
                lambda: signatures[1](**{other: tensor}),
            ),
            "serve endpoint": (lambda: served[0].serve(x), lambda: served[1].serve(x)),
            "predict_on_batch": (
                lambda: smaller.predict_on_batch(x),
                lambda: model.predict_on_batch(x),
            ),
            "eager call": (lambda: smaller(tensor), lambda: model(tensor)),
        }
        rows = []
        for way, (ours, peer) in ways.items():
            found = compare(ours, peer, _ROUNDS.value, _STEPS.value)
            print(f"{way}: {1 / found.ratio:.2f} times as fast")
            rows.append({"way": way, **dataclasses.asdict(found)})
    print(f"files {bytes_of[1]} to {bytes_of[0]} bytes, largest difference {error:.2g}")
    extra = {"bytes": bytes_of[0], "bytes_masked": bytes_of[1], "largest_difference": error}
    return [{**row, **extra} for row in rows]


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    if _SHRINK.value:
        write("spectral_shrink", shrink())
    else:
        write("spectral_cost", train())


if __name__ == "__main__":
    app.run(main)
