"""Filtering nodes before the weights are trained: eigenvalues first, then a small network."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from .. import parametrizations
from ..layers.spectral import SpectralMixin
from ..parametrizations.spectral import Eigenvalues, SpectralBase
from . import backend
from .node_graph import NODE_LAYERS
from .nodes import prune_nodes
from .shrink import shrink
from .targets import Selection, find


class Filtered(NamedTuple):
    """What `pretraining_filter` made.

    Attributes:
        model: the small trained model.
        kept: for every layer, by its path, which nodes were kept, `(units,)`.
        histories: of the two calls of `fit`.
    """

    model: keras.Model
    kept: dict[str, np.ndarray]
    histories: tuple[Any, Any]


def with_vectors(model: keras.Model, train: bool) -> keras.Model:
    """A copy of `model` whose spectral layers train their eigenvectors, or keep them frozen.

    Its weights are those of `model`, which stays as it is, without nodes that have no weights; it
    is compiled alike, as after `shrink`.

    Args:
        model: a built Sequential or functional model with spectral dense layers or convolutions.
        train: whether the eigenvectors (of `SpectralQR`: its triangle) are trained.

    Raises:
        ValueError: if no layer of it is spectral, or as `shrink`.

    Example:

    >>> import keras_phase
    >>> model = keras.Sequential([keras.Input((8,)), keras_phase.SpectralDense(4)])
    >>> len(with_vectors(model, False).trainable_weights)  # two sets of eigenvalues and a bias
    3
    """
    if not any(_change(layer, train) for layer in model.layers):
        raise ValueError(
            "Expected a model with spectral dense layers or convolutions: SpectralDense, "
            "SpectralConv..., or a layer with parametrization=Spectral(). "
            f"Received: model '{model.name}' with "
            f"{', '.join(sorted({type(layer).__name__ for layer in model.layers}))}"
        )
    return shrink(model, change=lambda layer: _change(layer, train))


def _change(layer: keras.layers.Layer, train: bool) -> Mapping[str, Any]:
    if not isinstance(layer, NODE_LAYERS):
        return {}
    if isinstance(layer, SpectralMixin):
        return {"train_vectors": train}
    p = getattr(layer, "parametrization", None)
    if not isinstance(p, SpectralBase) or "train_vectors" not in p.get_config():
        return {}
    changed = type(p).from_config({**p.get_config(), "train_vectors": train})
    return {"parametrization": parametrizations.serialize(changed)}


def pretraining_filter(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    fraction: float,
    epochs: int = 1,
    training_epochs: int = 1,
    by: str = "eigenvalue",
    scope: str = "global",
    layers: Selection | list[Selection] | None = None,
    **fit: Any,
) -> Filtered:
    """Train eigenvalues alone, remove the nodes they do not need, then train what is left.

    1. The eigenvectors stay as they were drawn; eigenvalues (and biases) are trained for `epochs`.
    2. `fraction` of the nodes, those of the smallest eigenvalues, is removed for good.
    3. The eigenvectors of the others are set free, and all is trained for `training_epochs`, with
       an optimizer that starts anew.

    A network is so filtered to its size before its weights are trained. It is a function and no
    callback because the sizes of the variables change between the two calls of `fit`.

    Args:
        model: a compiled Sequential or functional model of spectral layers; it stays as it is.
        x: as of `fit`.
        y: as of `fit`.
        fraction: how much of the nodes, from 0 to below 1.
        epochs: of the first stage.
        training_epochs: of the second.
        by: see `nodes.node_scores`.
        scope: see `nodes.prune_nodes`; a layer must not be emptied.
        layers: see `nodes.node_scores`.
        **fit: further arguments of both calls of `fit`.

    Raises:
        ValueError: if the model is not compiled or has no spectral layer, the fraction is out of
            range, or as `shrink`.

    Reference:
        Buffoni et al., "Spectral pruning of fully connected layers", Sci. Rep. 12, 11201 (2022),
        the pre-training filter.
    """
    if not getattr(model, "compiled", False):
        raise ValueError(
            f"The model '{model.name}' cannot be trained yet: compile it first. "
            "Received: model.compiled=False"
        )
    if not 0 <= fraction < 1:
        raise ValueError(
            "Expected `fraction`, how much of the nodes is removed, from 0 to below 1. "
            f"Received: fraction={fraction}"
        )
    first = with_vectors(model, False)
    history = first.fit(x, y, epochs=epochs, **fit)
    kept = prune_nodes(first, fraction, by=by, scope=scope, layers=layers)
    second = with_vectors(first, True)
    # The moments of the first stage are gone, so its count of steps would mislead the optimizer.
    second.optimizer.iterations.assign(0)
    later = second.fit(x, y, epochs=training_epochs, **fit)
    return Filtered(second, kept, (history, later))


class EigenvalueHistory(keras.callbacks.Callback):
    """Records the eigenvalues of all spectral layers during `fit`, for `plots`.

    Args:
        every: number of epochs between two records; the start is recorded, too.

    Attributes:
        history: for every layer by its path, a list of `(epoch, Eigenvalues)` with NumPy arrays.

    Raises:
        ValueError: if `every` is not positive; in `fit`, if no layer is spectral.

    Example:

    >>> import keras_phase
    >>> model = keras.Sequential([keras.Input((4,)), keras_phase.SpectralDense(3, name="s")])
    >>> model.compile("sgd", "mse")
    >>> record = EigenvalueHistory()
    >>> _ = model.fit(np.ones((8, 4)), np.ones((8, 3)), epochs=2, verbose=0, callbacks=[record])
    >>> [epoch for epoch, _ in record.history["s"]]
    [0, 1, 2]
    """

    def __init__(self, every: int = 1):
        super().__init__()
        if every < 1:
            raise ValueError(
                f"Expected `every`, a number of epochs, to be positive. Received: every={every}"
            )
        self.every = every
        self.history: dict[str, list[tuple[int, Any]]] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Record the start."""
        self.history = {}
        self._record(0)
        if not self.history:
            raise ValueError(
                "Nothing to record: expected a model with spectral layers. "
                f"Received: model '{self.model.name}'"
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Record every so often."""
        if (epoch + 1) % self.every == 0:
            self._record(epoch + 1)

    def _record(self, epoch: int) -> None:
        backend.sync(self.model)
        for target in find(self.model):
            p = target.parametrization
            if isinstance(p, SpectralBase):
                values = Eigenvalues(
                    *(None if v is None else ops.convert_to_numpy(v) for v in p.eigenvalues)
                )
                self.history.setdefault(target.layer_path, []).append((epoch, values))
