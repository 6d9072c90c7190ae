"""TF-MOT's TensorBoard callback on Keras 3."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from .vocabulary import pruners_of


class PruningSummaries(keras.callbacks.TensorBoard):
    """Writes the sparsity and the threshold of every pruned weight for TensorBoard.

    At the beginning of every epoch, at the optimizer's step: `<path>/sparsity`, the fraction that
    is pruned, and `<path>/threshold`, the smallest modulus that is kept.

    Args:
        log_dir: the folder; these go to its sub-folder `metrics`.
        update_freq: of `keras.callbacks.TensorBoard`.
        **kwargs: of `keras.callbacks.TensorBoard`.

    Raises:
        ValueError: if `log_dir` is not a path.
    """

    def __init__(self, log_dir: str | Path, update_freq: str | int = "epoch", **kwargs: Any):
        if not isinstance(log_dir, str | Path) or not str(log_dir):
            raise ValueError(f"`log_dir` must be a path. Received: log_dir={log_dir!r}")
        super().__init__(log_dir=str(log_dir), update_freq=update_freq, **kwargs)
        self.pruning_log_dir = str(Path(log_dir) / "metrics")
        self._pruning_writer = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Write what is pruned."""
        super().on_epoch_begin(epoch, logs)
        import tensorflow as tf

        if self._pruning_writer is None:
            self._pruning_writer = tf.summary.create_file_writer(self.pruning_log_dir)
        step = int(ops.convert_to_numpy(self.model.optimizer.iterations))
        with self._pruning_writer.as_default():
            for name, value in pruning_logs(self.model).items():
                tf.summary.scalar(name, value, step=step)
        self._pruning_writer.flush()


def pruning_logs(model: keras.Model) -> dict[str, float]:
    """Sparsity and threshold of every weight of a model of `prune_low_magnitude`."""
    found = {}
    for pruner in pruners_of(model):
        for target, keep in zip(pruner.targets, pruner.state.keep, strict=True):
            mask = ops.convert_to_numpy(keep)
            w = ops.convert_to_numpy(target.kernel()).astype("float32")
            modulus = np.sqrt(np.square(w).sum(axis=0))
            kept = modulus[np.broadcast_to(mask, (1, *modulus.shape))[0]]
            path = target.parametrization.path
            found[f"{path}/sparsity"] = 1 - float(mask.mean())
            found[f"{path}/threshold"] = float(kept.min()) if kept.size else 0.0
    return found
