"""Mask updates and training steps of ours on Keras 3 against TF-MOT's own on tf_keras.

Needs TF-MOT (`pip install -e '.[tensorflow,tfmot]'`, as `make test-tfmot` does in `.venv-tfmot`).
Both run in one process, in turns.

* One mask update of a dense layer, with the weights set to it, against TF-MOT's called by itself
  and compiled to a graph. Goals: at most 0.08 and 0.25 of the time, at 4 million weights.
* One `fit` of some hundred steps with pruning against one without, of each package by itself, in
  a 784-1024-1024-10 network. `frequency` 0: the masks stay, so it is the cost of keeping weights
  pruned. Goal: at most 1.03.

    .venv-tfmot/bin/python benchmarks/tfmot_update.py [--sizes 2048] [--rounds 11]
"""

import dataclasses
import functools
import importlib.metadata
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import keras_phase
from keras_phase.pruning import Pruner, UpdatePruningStep, prune_low_magnitude, tfmot
from pairing import compare, write

_SIZES = flags.DEFINE_list("sizes", ["512", "2048"], "Inputs and units of the layer to update.")
_BATCH = flags.DEFINE_integer("batch", 256, "Samples a step.")
_FREQUENCIES = flags.DEFINE_list("frequencies", ["0", "100"], "Steps between mask updates.")
_ROUNDS = flags.DEFINE_integer("rounds", 11, "Paired rounds.")
_STEPS = flags.DEFINE_integer("steps", 100, "Training steps a round.")
_CALLS = flags.DEFINE_integer("calls", 3, "Mask updates a round.")


def updates(size: int, sparsity: Any) -> dict[str, tuple[Callable, Callable]]:
    """Functions that update the masks of equal layers, ours and TF-MOT's, by the way of calling."""
    import tf_keras

    rng = np.random.default_rng(0)
    # No two of the same modulus, of which TF-MOT would keep both.
    weights = rng.permutation(np.arange(1, size**2 + 1)) * rng.choice([-1, 1], size**2) / 2**22
    weights = weights.reshape(size, size).astype("float32")
    model = keras.Sequential([keras.Input((size,)), keras.layers.Dense(size, use_bias=False)])
    theirs = tf_keras.Sequential(
        [tf_keras.Input((size,)), tf_keras.layers.Dense(size, use_bias=False)]
    )
    for each in (model, theirs):
        each.set_weights([weights])
    pruner = Pruner(model)
    wrapped = sparsity.prune_low_magnitude(theirs, sparsity.ConstantSparsity(0.5, 0, frequency=1))
    wrapped.layers[0].pruning_step.assign(1)
    pruning = wrapped.layers[0].pruning_obj
    kernels = [model.layers[0].kernel, wrapped.layers[0].layer.kernel]

    def ours() -> None:
        kernels[0].assign(weights)
        pruner.update(0.5)

    def update() -> None:
        pruning.conditional_mask_update()
        pruning.weight_mask_op()

    compiled = tf.function(update)

    def eager() -> None:
        kernels[1].assign(weights)
        update()

    def graph() -> None:
        kernels[1].assign(weights)
        compiled()

    for function in (ours, eager, graph):
        function()
    if not np.array_equal(keras.ops.convert_to_numpy(kernels[0]), kernels[1].numpy()):
        raise ValueError("The two packages have pruned other weights. Expected: the same.")
    return {"callback": (ours, eager), "graph": (ours, graph)}


def network(k: Any) -> Any:
    """784-1024-1024-10, of Keras 3 or tf_keras."""
    sizes, dense = (1024, 1024), k.layers.Dense
    hidden = [dense(n, activation="relu") for n in sizes]
    return k.Sequential([k.Input((784,)), *hidden, dense(10)])


def ready(model: Any, k: Any) -> Any:
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(k.optimizers.Adam(1e-4), loss)
    return model


def fits(data: Any, frequency: int, sparsity: Any) -> dict[str, tuple[Callable, Callable]]:
    """`fit` with pruning and without, by package and route."""
    import tf_keras

    def schedule(module: Any) -> Any:
        if frequency:
            return module.ConstantSparsity(0.5, 0, frequency=frequency)
        return module.ConstantSparsity(0.5, 1, 1, frequency=1)

    def fit(model: Any, callbacks: list[Any]) -> Callable:
        return functools.partial(model.fit, data, shuffle=False, verbose=0, callbacks=callbacks)

    wrapped = ready(prune_low_magnitude(network(keras), schedule(keras_phase)), keras)
    plain = ready(network(keras), keras)
    callback = keras_phase.PruningCallback(schedule(keras_phase))
    theirs = sparsity.prune_low_magnitude(network(tf_keras), schedule(sparsity))
    intact = fit(ready(network(keras), keras), [])
    return {
        "ours, UpdatePruningStep": (fit(wrapped, [UpdatePruningStep()]), intact),
        "ours, PruningCallback": (fit(plain, [callback]), intact),
        "TF-MOT": (
            fit(ready(theirs, tf_keras), [sparsity.UpdatePruningStep()]),
            fit(ready(network(tf_keras), tf_keras), []),
        ),
    }


def main(argv: list[str]) -> None:
    del argv
    sparsity = tfmot.load().sparsity.keras
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    version = importlib.metadata.version("tensorflow-model-optimization")
    rows = []

    def add(result: Any, **setting: Any) -> None:
        rows.append({**setting, **dataclasses.asdict(result), "tfmot": version})

    for size in map(int, _SIZES.value):
        for called, (ours, peer) in updates(size, sparsity).items():
            result = compare(ours, peer, _ROUNDS.value, _CALLS.value)
            add(
                result, what="mask update", how=f"TF-MOT's in a {called}", size=size**2, frequency=1
            )
    x = rng.normal(size=(_BATCH.value, 784)).astype("float32")
    y = rng.integers(10, size=_BATCH.value)
    data = tf.data.Dataset.from_tensors((x, y)).repeat(_STEPS.value)
    for frequency in map(int, _FREQUENCIES.value):
        for route, (pruned, intact) in fits(data, frequency, sparsity).items():
            result = compare(pruned, intact, _ROUNDS.value, 1)
            add(result, what="fit", how=route, size=_STEPS.value, frequency=frequency)
    write("tfmot_update", rows)


if __name__ == "__main__":
    app.run(main)
