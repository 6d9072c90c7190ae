"""What the tests of this folder run in a process of its own: `python with_tfmot.py NAME`.

Prints one line of JSON. Needs tensorflow_model_optimization and tf_keras.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np


def batches(shape, outputs, steps=12, size=4):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps * size, *shape)).astype("float32")
    return x, rng.normal(size=(steps * size, *outputs)).astype("float32")


def tfmot_sparsity():
    from keras_phase.pruning import tfmot

    return tfmot.load().sparsity.keras


def equal_masks():
    """Masks of ours on Keras 3 and of TF-MOT on tf_keras, after every step."""
    S = tfmot_sparsity()
    import keras
    import tf_keras

    import keras_phase

    cases = {
        "Dense": ((9,), (7,), lambda L: [L.Dense(11, activation="tanh"), L.Dense(7)]),
        "Conv2D": ((6, 6, 2), (3,), lambda L: [L.Conv2D(5, 3), L.Flatten(), L.Dense(3)]),
    }
    schedules = {
        "polynomial": lambda m: m.PolynomialDecay(0.2, 0.8, 1, 9, power=3, frequency=2),
        "constant": lambda m: m.ConstantSparsity(0.6, 2, frequency=1),
    }
    result = {}
    for case, (shape, outputs, layers) in cases.items():
        for name, schedule in schedules.items():
            x, y = batches(shape, outputs)
            theirs = tf_keras.Sequential([tf_keras.Input(shape), *layers(tf_keras.layers)])
            ours = keras.Sequential([keras.Input(shape), *layers(keras.layers)])
            ours.set_weights(theirs.get_weights())
            theirs = S.prune_low_magnitude(theirs, schedule(S))
            ours = keras_phase.pruning.prune_low_magnitude(ours, schedule(keras_phase))
            theirs.compile(tf_keras.optimizers.legacy.SGD(0.05), "mse")
            ours.compile(keras.optimizers.SGD(0.05), "mse")
            found = {"theirs": [], "ours": []}

            def their_masks(*_, model=theirs, into=found["theirs"], **__):
                into.append([m.numpy() for x in model.layers for _, m, _ in x.pruning_vars])

            class Update(keras_phase.UpdatePruningStep):
                """Looks at the masks of a step before they are opened for the next one."""

                def on_train_batch_begin(self, batch, logs=None):
                    self.masks = None
                    super().on_train_batch_begin(batch, logs)
                    self.look()
                    self.into.append(self.masks)

                def _open(self, pruner):
                    self.look()
                    super()._open(pruner)

                def look(self):
                    if self.masks is None:
                        keep = [k for p in self.pruners for k in p.state.keep]
                        self.masks = [np.array(k.numpy())[0] for k in keep]

            log = tf_keras.callbacks.LambdaCallback(on_train_batch_end=their_masks)
            theirs.fit(x, y, 4, shuffle=False, verbose=0, callbacks=[S.UpdatePruningStep(), log])
            update = Update()
            update.into = found["ours"]
            ours.fit(x, y, 4, shuffle=False, verbose=0, callbacks=[update])
            same = [
                all(np.array_equal(a.astype(bool), b) for a, b in zip(t, o, strict=True))
                for t, o in zip(found["theirs"], found["ours"], strict=True)
            ]
            fractions = [1 - float(np.mean(m[0])) for m in found["theirs"]]
            result[f"{case}, {name}"] = {"same": same, "fractions": fractions}
    return result


def whole_elements():
    """Our layers under TF-MOT's own wrapper, callbacks and strip, all unmodified."""
    S = tfmot_sparsity()
    import tf_keras

    import keras_phase
    from keras_phase import legacy
    from keras_phase.pruning.tfmot import fold_pruning

    def dense(algebra):
        return [
            legacy.ToAlgebra(algebra=algebra),
            legacy.AlgebraDense(12, activation="relu", algebra=algebra),
            legacy.AlgebraDense(5, algebra=algebra),
            legacy.FromAlgebra("squared_norm", algebra=algebra),
        ]

    networks = {
        "complex": ((8,), (5,), lambda: dense("complex")),
        "quaternion": ((8,), (5,), lambda: dense("quaternion")),
        "polar": ((8,), (6,), lambda: [legacy.PhaseDense(3, amplitude="element")]),
        "convolution": (
            (6, 6, 4),
            (6,),
            lambda: [legacy.AlgebraConv2D(6, 3), legacy.AlgebraFlatten(), legacy.PhaseDense(3)],
        ),
        "separable": ((6, 6, 4), (4, 4, 8), lambda: [legacy.AlgebraSeparableConv2D(4, 3)]),
        "normalized": (
            (8,),
            (6,),
            lambda: [
                legacy.SpectralDense(4, algebra="complex"),
                legacy.AlgebraBatchNormalization(),
                legacy.AlgebraDropout(0.2),
                legacy.AlgebraDense(3),
            ],
        ),
        "recurrent": (
            (5, 8),
            (6,),
            lambda: [
                legacy.AlgebraGRU(4, return_sequences=True, dropout=0.2),
                legacy.AlgebraLSTM(3),
            ],
        ),
        "attention": ((5, 8), (5, 8), lambda: [legacy.AlgebraMultiHeadAttention(2, 3)]),
    }
    schedules = {
        "theirs": lambda: S.PolynomialDecay(0.0, 0.5, 0, 10, frequency=2),
        "ours": lambda: keras_phase.ConstantSparsity(0.5, 1, frequency=1),
        "phase": lambda: keras_phase.PhasePolynomialDecay(0.0, 1.0, 0, 10, frequency=2),
    }
    result = {}
    for network, (shape, outputs, layers) in networks.items():
        for name, schedule in schedules.items():
            tf_keras.utils.set_random_seed(0)
            x, y = batches(shape, outputs)
            model = tf_keras.Sequential([tf_keras.Input(shape), *layers()])
            model = S.prune_low_magnitude(model, schedule())
            model.compile("adam", "mse")
            model.fit(x, y, 4, 2, verbose=0, callbacks=[S.UpdatePruningStep()])
            stripped = S.strip_pruning(model)
            before = stripped.predict(x, verbose=0)
            strip = float(np.abs(before - model.predict(x, verbose=0)).max())
            rows = []
            for layer in stripped.layers:
                for p in getattr(layer, "parametrizations", []):
                    w = np.asarray(p.kernel())
                    modulus = np.sqrt((w**2).sum(axis=0))
                    zeros, parts = modulus == 0, (w == 0).any(axis=0)
                    spread = np.abs(modulus / np.median(modulus) - 1) if name == "phase" else None
                    rows.append(
                        {
                            "zero": int(zeros.sum()),
                            "partly": int((parts & ~zeros).sum()),
                            "size": modulus.size,
                            "apart": None if spread is None else int((spread > 1e-4).sum()),
                        }
                    )
            stripped.save("stripped.keras")
            again = tf_keras.models.load_model("stripped.keras")
            fold_pruning(stripped)
            result[f"{network}, {name}"] = {
                "rows": rows,
                "strip": strip,
                "reload": float(np.abs(before - again.predict(x, verbose=0)).max()),
                "fold": float(np.abs(before - stripped.predict(x, verbose=0)).max()),
            }
    return result


def files():
    """Wrapped models come back with our schedules, stripped ones in the old format too."""
    S = tfmot_sparsity()
    import tf_keras

    import keras_phase
    from keras_phase import legacy

    result = {}
    for schedule in (
        keras_phase.PhasePolynomialDecay(0.1, 0.9, 2, 8, 2, 3),
        keras_phase.SignConstantSparsity(0.5, 1),
        keras_phase.CosineSparsity(0.1, 0.9, 2, 8, 3),
    ):
        algebra = "real" if "Sign" in type(schedule).__name__ else "complex"
        model = tf_keras.Sequential(
            [tf_keras.Input((8,)), legacy.PhaseDense(4, algebra=algebra, activation="tanh")]
        )
        model = S.prune_low_magnitude(model, schedule)
        x = batches((8,), (8,))[0]
        # Not as .h5: tf_keras writes the gate, a weight of wrapper and layer, twice.
        model.save("model.keras")
        with S.prune_scope():
            again = tf_keras.models.load_model("model.keras")
        stripped = S.strip_pruning(model)
        stripped.save("stripped.h5")
        old = tf_keras.models.load_model("stripped.h5")
        got = again.layers[0].pruning_schedule
        expected = model.predict(x, verbose=0)
        result[type(schedule).__name__] = [
            type(got).__name__ == type(schedule).__name__ and repr(got) == repr(schedule),
            again.layers[0].layer.pruning_criterion,
            max(float(np.abs(expected - m.predict(x, verbose=0)).max()) for m in (again, old)),
        ]
    return result


def schedules():
    """Ours in tensors equal theirs, and ours in numbers."""
    S = tfmot_sparsity()
    import tensorflow as tf

    import keras_phase

    worst = 0.0
    for theirs, ours in (
        (
            S.PolynomialDecay(0.1, 0.8, 3, 17, 2.5, 4),
            keras_phase.PolynomialDecay(0.1, 0.8, 3, 17, 2.5, 4),
        ),
        (S.ConstantSparsity(0.4, 2, 9, 3), keras_phase.ConstantSparsity(0.4, 2, 9, 3)),
        (S.ConstantSparsity(0.4, 2, -1, 3), keras_phase.ConstantSparsity(0.4, 2, -1, 3)),
        (None, keras_phase.CosineSparsity(0.1, 0.8, 3, 17, 4)),
    ):
        for step in range(25):
            tensor = ours(tf.constant(step, tf.int64))
            number = ours(step)
            pairs = [tensor, number] + ([theirs(tf.constant(step, tf.int64))] if theirs else [])
            due = {bool(d) for d, _ in pairs}
            assert len(due) == 1, (ours, step, pairs)
            values = [float(f) for _, f in pairs]
            worst = max(worst, max(values) - min(values))
    return worst


def adapted():
    """TF-MOT's own callback and schedule objects in a Keras 3 fit."""
    S = tfmot_sparsity()
    import keras

    from keras_phase.pruning import get_masks, prune_low_magnitude, tfmot

    x, y = batches((9,), (7,))
    model = keras.Sequential([keras.Input((9,)), keras.layers.Dense(7)])
    model = prune_low_magnitude(model, S.PolynomialDecay(0.0, 0.75, 0, 8, frequency=2))
    model.compile("adam", "mse")
    model.fit(x, y, 4, verbose=0, callbacks=tfmot.adapt([S.UpdatePruningStep()]))
    (mask,) = get_masks(model).values()
    model.save("model.keras")
    again = keras.saving.load_model("model.keras")
    return [1 - float(mask.mean()), type(again.layers[0].pruning_schedule).__module__.split(".")[0]]


def names():
    """Public names of TF-MOT, with arguments, that the table of docs/tfmot.md does not have."""
    import inspect

    S = tfmot_sparsity()
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper

    from tests.pruning import tfmot_tables as tables

    def found(name):
        value = pruning_wrapper if name == "PruneLowMagnitude" else S
        for part in name.split("."):
            value = getattr(value, part)
        if inspect.isclass(value) and value.__init__ is object.__init__:
            return ""
        rows = []
        for p in inspect.signature(value).parameters.values():
            default = "" if p.default is p.empty else f"={p.default!r}"
            if type(p.default).__name__ == "ConstantSparsity":
                default = f"=ConstantSparsity({p.default.target_sparsity}, {p.default.begin_step})"
            if p.name != "self":
                rows.append(("**" if p.kind is p.VAR_KEYWORD else "") + p.name + default)
        return ", ".join(rows)

    public = {n for n in dir(S) if not n.startswith("_")} - {"experimental"}
    wrong = {n: found(n) for n, a in tables.THEIRS.items() if found(n) != a}
    return [sorted(public - set(tables.THEIRS)), wrong]


def mixed():
    """The errors for objects of the other Keras."""
    import keras
    import tf_keras

    from keras_phase import legacy
    from keras_phase.pruning import prune_low_magnitude, strip_pruning

    texts = []
    for call in (
        lambda: prune_low_magnitude(tf_keras.layers.Dense(2)),
        lambda: prune_low_magnitude([tf_keras.layers.Dense(2)]),
        lambda: strip_pruning(tf_keras.Sequential()),
        lambda: legacy.PhaseDense(2)(keras.Input((4,))),
        lambda: legacy.PhaseDense(2, activation="modrelu"),
    ):
        try:
            call()
            texts.append("no error")
        except (TypeError, ValueError) as error:
            texts.append(f"{type(error).__name__}: {error}")
    return texts


def imports(order):
    """What `tf.keras` is after importing us, TF-MOT or both, and whether both work."""
    import tensorflow as tf

    names = {"ours": "keras_phase.legacy", "theirs": "tensorflow_model_optimization"}
    which = []
    for name in order.split(","):
        __import__(names[name])
        which.append(os.environ.get("TF_USE_LEGACY_KERAS"))
    import keras
    import tensorflow_model_optimization as tfmot
    import tf_keras

    from keras_phase import legacy
    from keras_phase.pruning import UpdatePruningStep, prune_low_magnitude

    S = tfmot.sparsity.keras
    x, y = batches((8,), (4,), steps=2)
    ours = prune_low_magnitude(keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)]))
    ours.compile("sgd", "mse")
    ours.fit(x, y, verbose=0, callbacks=[UpdatePruningStep()])
    theirs = tf_keras.Sequential([tf_keras.Input((8,)), legacy.PhaseDense(2)])
    theirs = S.prune_low_magnitude(theirs)
    theirs.compile("sgd", "mse")
    theirs.fit(x, y, verbose=0, callbacks=[S.UpdatePruningStep()])
    return {"environment": which, "tf.keras": tf.keras.layers.Layer.__module__.split(".")[0]}


def load_keeps():
    """`tfmot.load` leaves `tf.keras` and the environment alone."""
    import tensorflow as tf

    before = os.environ.get("TF_USE_LEGACY_KERAS")
    tfmot_sparsity()
    after = os.environ.get("TF_USE_LEGACY_KERAS")
    return [before, after, tf.keras.layers.Layer.__module__.split(".")[0]]


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
