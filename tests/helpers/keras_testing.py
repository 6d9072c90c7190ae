"""The only door to Keras's own layer test, which is private to Keras."""

from keras.src import testing


def run_layer_test(layer_class, init_kwargs, **kwargs):
    """Keras's checks of a layer: config, build, shapes, dtypes, training, mixed precision."""
    case = testing.TestCase()
    case.setUp()
    case.run_layer_test(layer_class, init_kwargs, **kwargs)
