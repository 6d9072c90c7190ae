"""Files saved by an earlier version still load: names and shapes of weights are a format."""

import keras
import numpy as np

from tests.golden.make_golden import FOLDER, data, network
from tests.helpers.versions import newest_keras

GOLDEN = np.load(FOLDER / "network.npz")


@newest_keras("the file holds arguments of initializers that it does not know")
def test_a_saved_model_loads_and_computes_the_same():
    model = keras.saving.load_model(FOLDER / "network.keras")
    outputs = model.predict(data(), verbose=0)
    np.testing.assert_allclose(outputs, GOLDEN["outputs"], rtol=1e-5, atol=1e-6)


def test_saved_weights_load_into_a_new_model():
    model = network()
    model.load_weights(FOLDER / "network.weights.h5")
    outputs = model.predict(data(), verbose=0)
    np.testing.assert_allclose(outputs, GOLDEN["outputs"], rtol=1e-5, atol=1e-6)


def test_names_and_shapes_of_weights_are_unchanged():
    weights = network().weights
    assert [w.path.partition("/")[2] for w in weights] == GOLDEN["names"].tolist()
    assert [str(tuple(w.shape)) for w in weights] == GOLDEN["shapes"].tolist()
