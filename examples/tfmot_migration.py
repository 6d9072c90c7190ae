"""A script written for TF-MOT, on Keras 3: two lines change.

    python examples/tfmot_migration.py                    magnitude, as TF-MOT prunes
    python examples/tfmot_migration.py --schedule=phase   keep only the phase of the weights

Before, for tf_keras (Keras 2):

    import tf_keras as keras
    from tensorflow_model_optimization.sparsity import keras as sparsity

Now, for Keras 3:

    import keras
    from keras_phase import pruning as sparsity

Everything after `--- the script ---` is TF-MOT's vocabulary. Data as in phase_matters.py.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

import keras
import numpy as np
from absl import app, flags

import keras_phase
from data import NAMES, load
from keras_phase import compress
from keras_phase import pruning as sparsity

_DATASET = flags.DEFINE_enum("dataset", "mnist", NAMES, "What to learn.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files, or its parent.")
_SCHEDULE = flags.DEFINE_enum("schedule", "magnitude", ["magnitude", "phase"], "What is kept.")
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Epochs.", 1)
_UNITS = flags.DEFINE_integer("units", 128, "Hidden elements.", 1)


def network(features: int) -> keras.Model:
    """Stock layers for magnitude, complex ones for phase."""
    if _SCHEDULE.value == "magnitude":
        layers = [keras.layers.Dense(_UNITS.value, activation="relu"), keras.layers.Dense(10)]
    else:
        layers = [
            keras_phase.PhaseEncode(),
            keras_phase.PhaseDense(_UNITS.value, activation="relu"),
            keras_phase.PhaseDense(10),
            keras_phase.FromAlgebra("norm"),
        ]
    return keras.Sequential([keras.Input((features,)), *layers])


def main(argv: Sequence[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    dataset = load(_DATASET.value, _DATA_DIR.value)
    model, batch = network(dataset.x_train.shape[1]), 128
    end = -(-len(dataset.x_train) // batch) * _EPOCHS.value * 3 // 4 // 10 * 10

    # --- the script ---
    if _SCHEDULE.value == "magnitude":
        schedule = sparsity.PolynomialDecay(
            initial_sparsity=0.3, final_sparsity=0.9, begin_step=0, end_step=end, frequency=10
        )
    else:
        schedule = sparsity.PhasePolynomialDecay(
            initial_sparsity=0.3, final_sparsity=1.0, begin_step=0, end_step=end, frequency=10
        )
    model = sparsity.prune_low_magnitude(model, pruning_schedule=schedule)
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        dataset.x_train,
        dataset.y_train,
        batch_size=batch,
        epochs=_EPOCHS.value,
        verbose=0,
        callbacks=[sparsity.UpdatePruningStep()],
    )
    _, accuracy = model.evaluate(dataset.x_test, dataset.y_test, verbose=0)
    model = sparsity.strip_pruning(model)
    # --- its end ---

    print(f"{dataset.name}: test accuracy {accuracy:.4f}")
    print(sparsity.sparsity_report(model))
    with tempfile.TemporaryDirectory() as folder:
        bits = 4 if _SCHEDULE.value == "phase" else None
        report = compress.save(model, Path(folder, "model.kpz"), phase_bits=bits)
        again = compress.load(report.path)
    print(f"compressed: {report.size} bytes, 1/{report.ratio:.1f} of the weights")
    if report.error:
        print(f"phases rounded to {bits} bits; no weight moved by more than {report.error:.4f}")
    answers = [
        m.predict(dataset.x_test, verbose=0).argmax(1) == dataset.y_test for m in (model, again)
    ]
    print("accuracy before and after: {:.4f} {:.4f}".format(*np.mean(answers, axis=1)))


if __name__ == "__main__":
    app.run(main)
