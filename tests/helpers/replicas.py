"""Several replicas on the CPU, for the tests of distribution."""

import tensorflow as tf


def two_replicas() -> tf.distribute.MirroredStrategy:
    """A strategy of two replicas without collective ops.

    TensorFlow numbers those of every strategy from the same start, so that the second strategy of
    a process meets the shapes of the first one and is aborted.
    """
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
