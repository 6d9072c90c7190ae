"""Spectral: eigenvalues and eigenvectors of the transfer between two layers as the trainables.

Two layers of nodes are one graph whose operator is `A = Phi Lambda Phi^-1` with
`Phi = 1 + (0 0; phi 0)`, so `Phi^-1 = 2 - Phi`. Applied to `(x; 0)` its lower part is a dense layer
with the weights `w_ij = (lambda_in_i - lambda_out_j) phi_ij`: a number for each node beside the
eigenvectors `phi`. The two eigenvalue sets are few, can be trained alone, and rank the nodes.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import constraints, ops, regularizers

from .. import initializers as algebra_initializers
from ..ops.product import expand_kernel
from . import spectral_initializers
from .base import Factors, Parametrization, Projection, install

Tensor = Any


class Eigenvalues(NamedTuple):
    """Both eigenvalue sets of a layer; an absent set is None.

    Attributes:
        inputs: `(in,)`, of the nodes that send.
        outputs: `(out,)`, of the nodes that receive.
    """

    inputs: Any
    outputs: Any


class SpectralBase(Parametrization):
    """What spectral parametrizations share: two sets of eigenvalues around eigenvectors.

    Subclasses implement `_create_vectors`, `phi`, `_set_phi` and `_prune_phi`.
    """

    def __init__(
        self,
        train_in: bool | None = True,
        train_out: bool | None = True,
        in_initializer: Any = None,
        out_initializer: Any = None,
        eigenvalue_regularizer: Any = None,
        eigenvalue_constraint: Any = None,
    ):
        for name, value in (("train_in", train_in), ("train_out", train_out)):
            if value is not None and not isinstance(value, bool):
                raise ValueError(
                    f"Expected `{name}` to be True (trained), False (frozen as it was initialized) "
                    f"or None (that set of eigenvalues is absent). Received: {name}={value!r}"
                )
        if train_in is None and train_out is None:
            raise ValueError(
                "A spectral kernel without eigenvalues would be 0. Expected at least one of "
                "`train_in` and `train_out` to be True or False; for eigenvectors alone use "
                "Cartesian(). Received: train_in=None, train_out=None"
            )
        for name, value in (
            ("in_initializer", in_initializer),
            ("out_initializer", out_initializer),
        ):
            role = name.partition("_")[0]
            spectral_initializers.get(value, role)  # an unknown name is an error now
        self.train_in, self.train_out = train_in, train_out
        self.in_initializer = spectral_initializers.checked(in_initializer, "in")
        self.out_initializer = spectral_initializers.checked(out_initializer, "out")
        self.eigenvalue_regularizer = regularizers.get(eigenvalue_regularizer)
        self.eigenvalue_constraint = constraints.get(eigenvalue_constraint)

    def _create(
        self, layer: Any, name: str, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        self._prefix = "" if name == "kernel" else f"{name}_"
        self._dtype, self._constrained = layer.compute_dtype, False
        # Before the vectors, whose constraint has to see eigenvalues that obey theirs.
        self._in = self._create_set(layer, "in", self.train_in, self.shape[-2])
        self._out = self._create_set(layer, "out", self.train_out, self.shape[-1])
        self._create_vectors(layer, initializer, regularizer, constraint)

    def _create_set(self, layer: Any, role: str, train: bool | None, size: int) -> Any:
        if train is None:
            return None
        identifier = getattr(self, f"{role}_initializer")
        if identifier is None:
            # The kernel then starts as the eigenvectors do, or as their negative.
            alone = self.train_in is None or self.train_out is None
            identifier = "ones" if role == "in" or alone else "zeros"
        return layer.add_weight(
            name=f"{self._prefix}eigenvalues_{role}",
            shape=(size,),
            initializer=spectral_initializers.get(identifier, role),
            regularizer=self.eigenvalue_regularizer,
            constraint=self.eigenvalue_constraint,
            trainable=train,
            autocast=False,
        )

    def _create_vectors(
        self, layer: Any, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        raise NotImplementedError

    @property
    def variables(self) -> list[keras.Variable]:
        """Eigenvectors, then the eigenvalues that there are."""
        return [*self._vectors, *(v for v in (self._in, self._out) if v is not None)]

    @property
    def eigenvalues(self) -> Eigenvalues:
        """Both sets, `(in,)` and `(out,)`; None where there is none."""
        return Eigenvalues(
            *(None if v is None else ops.convert_to_tensor(v) for v in (self._in, self._out))
        )

    def set_eigenvalues(self, inputs: Any = None, outputs: Any = None) -> None:
        """Assign eigenvalues, numbers or arrays; None leaves a set as it is.

        Raises:
            ValueError: if that set is absent.
        """
        for role, value, variable in (("in", inputs, self._in), ("out", outputs, self._out)):
            if value is None:
                continue
            if variable is None:
                raise ValueError(
                    f"'{self.path}' has no such eigenvalues: it was made with train_{role}=None. "
                    "Expected None for them. "
                    f"Received: {'inputs' if role == 'in' else 'outputs'}={value!r}"
                )
            value = ops.cast(ops.convert_to_tensor(value), variable.dtype)
            variable.assign(ops.broadcast_to(value, variable.shape))

    def phi(self) -> Tensor:
        """The eigenvectors, `(d, *window, in, out)`, in the precision of their variables."""
        raise NotImplementedError

    def _set_phi(self, value: Tensor) -> None:
        raise NotImplementedError

    def gap(self) -> Tensor:
        """`lambda_in - lambda_out`, `(in, out)`; an absent set counts as 0."""
        inputs, outputs = self.eigenvalues
        if outputs is None:
            return ops.expand_dims(inputs, 1)
        if inputs is None:
            return ops.expand_dims(ops.negative(outputs), 0)
        return ops.expand_dims(inputs, 1) - ops.expand_dims(outputs, 0)

    def kernel(self) -> Tensor:
        """`(lambda_in_i - lambda_out_j) phi_ij`, `(d, *window, in, out)`, in the compute dtype."""
        return ops.cast(self.gap() * self.phi(), self._dtype)

    def factors(self) -> Factors:
        """With one eigenvalue set, eigenvectors and a factor of the inputs or outputs."""
        inputs, outputs = self.eigenvalues
        if inputs is not None and outputs is not None:
            return Factors(self.kernel())
        phi = ops.cast(self.phi(), self._dtype)
        if outputs is None:
            return Factors(phi, inputs=ops.cast(inputs, self._dtype))
        return Factors(phi, outputs=ops.cast(ops.negative(outputs), self._dtype))

    def set_kernel(self, value: Tensor) -> None:
        """Set the eigenvectors so that the kernel is `value`; eigenvalues stay.

        Raises:
            ValueError: if `value` is not 0 where the two eigenvalues are equal.
        """
        value = self._check_shape(value)
        self._set_phi(self._phi_of(value))

    def _phi_of(self, value: Tensor) -> Tensor:
        gap = self.gap()
        value = ops.cast(value, gap.dtype)
        flat = ops.equal(gap, 0)
        impossible = ops.logical_and(flat, ops.not_equal(value, 0))
        if bool(ops.any(impossible)):
            raise ValueError(
                f"'{self.path}' cannot hold this kernel: it is not 0 between nodes of equal "
                "eigenvalues, where (lambda_in - lambda_out) phi is 0 for all eigenvectors. Set "
                "other eigenvalues first (`set_eigenvalues(1.0, 0.0)`). Received: "
                f"{int(ops.sum(ops.cast(impossible, 'int32')))} such weights"
            )
        return value / ops.where(flat, ops.ones_like(gap), gap)

    def node_scores(self) -> np.ndarray:
        """How much each output node matters, `(out,)`.

        `|lambda_out_j|` with the one set of the first papers, else the Euclidean norm of the
        node's weights `(lambda_in_i - lambda_out_j) phi_ij`; 0 for a node without weights.
        """
        kernel = ops.convert_to_numpy(ops.cast(self.kernel(), "float32"))
        flat = kernel.reshape(-1, kernel.shape[-1])
        norms = np.linalg.norm(flat, axis=0)
        if self._in is not None:
            return norms
        outputs = np.abs(ops.convert_to_numpy(self._out)).astype("float32")
        return np.where(norms > 0, outputs, 0 * outputs)

    def operator(self) -> tuple[np.ndarray, np.ndarray]:
        """`(Phi, Lambda)`, the real matrix of eigenvectors `(dN, dN)` and its `dN` eigenvalues.

        `N` is the number of input nodes, of a convolution at each place of the window, and of
        output nodes. The inputs come first, both component-major.
        """
        d, (size_in, size_out) = self.algebra.dimension, self.shape[-2:]
        kernel = ops.convert_to_numpy(expand_kernel(self.phi(), self.algebra))
        block = kernel.reshape(-1, d * size_out).astype("float64")
        places = block.shape[0] // (d * size_in)
        vectors = np.eye(sum(block.shape))
        vectors[block.shape[0] :, : block.shape[0]] = block.T
        inputs, outputs = (
            np.zeros(size) if v is None else ops.convert_to_numpy(v).astype("float64")
            for v, size in zip(self.eigenvalues, (size_in, size_out), strict=True)
        )
        return vectors, np.concatenate([np.tile(inputs, places * d), np.tile(outputs, d)])

    def select(self, source: Parametrization, inputs: Any, outputs: Any) -> None:
        """Take over the eigenvalues and eigenvectors of chosen nodes of `source`."""
        for mine, theirs, index in (
            (self._in, source._in, inputs),
            (self._out, source._out, outputs),
        ):
            if mine is not None:
                mine.assign(ops.convert_to_numpy(theirs)[index])
        self._set_phi(ops.convert_to_numpy(source.phi())[..., inputs, :][..., outputs])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "train_in": self.train_in,
            "train_out": self.train_out,
            "in_initializer": spectral_initializers.serialize(self.in_initializer),
            "out_initializer": spectral_initializers.serialize(self.out_initializer),
            "eigenvalue_regularizer": regularizers.serialize(self.eigenvalue_regularizer),
            "eigenvalue_constraint": constraints.serialize(self.eigenvalue_constraint),
        }


class Spectral(SpectralBase):
    """Kernel = (input eigenvalue - output eigenvalue) x eigenvector.

    `w_ij = (lambda_in_i - lambda_out_j) phi_ij`, with `eigenvalues_in` `(in,)`, `eigenvalues_out`
    `(out,)` and `vectors`, of the kernel's shape. Eigenvalues are real in every algebra, one for
    each node; in a convolution a channel is a node, and with groups the input eigenvalues are
    shared by the groups.

    Trained numbers of a dense layer: `in + out` beside the `d*in*out` eigenvectors, which
    `train_vectors=False` leaves as they were drawn. The one-set form of the first papers,
    `w_ij = -lambda_out_j phi_ij`, is `train_in=None`.

    Args:
        train_in: True: the input eigenvalues are trained; False: frozen; None: absent (0).
        train_out: the same of the output eigenvalues.
        train_vectors: whether the eigenvectors are trained.
        in_initializer: of the input eigenvalues: a name of `spectral_initializers.SCHEMES`
            ("optimized_uniform", "half_uniform", "pruning_uniform", "receiving", "direct") or of
            Keras. None: ones.
        out_initializer: of the output eigenvalues, likewise. None: zeros, or ones where they are
            the only set, so that the kernel starts as the eigenvectors or their negative.
        vectors_initializer: of the eigenvectors, likewise; None takes the layer's own.
        eigenvalue_regularizer: of both sets.
        eigenvalue_constraint: of both sets.

    Raises:
        ValueError: if both sets are absent, or a name is unknown.

    Reference:
        Giambagli et al., Nat. Commun. 12, 1330 (2021), one set; Chicchi et al., arXiv 2106.09021,
        two sets.
    """

    def __init__(
        self,
        train_in: bool | None = True,
        train_out: bool | None = True,
        train_vectors: bool = True,
        in_initializer: Any = None,
        out_initializer: Any = None,
        vectors_initializer: Any = None,
        eigenvalue_regularizer: Any = None,
        eigenvalue_constraint: Any = None,
    ):
        super().__init__(
            train_in,
            train_out,
            in_initializer,
            out_initializer,
            eigenvalue_regularizer,
            eigenvalue_constraint,
        )
        if not isinstance(train_vectors, bool):
            raise ValueError(
                "Expected `train_vectors` to be True or False: a kernel has eigenvectors always. "
                f"Received: train_vectors={train_vectors!r}"
            )
        self.train_vectors = train_vectors
        self.vectors_initializer = spectral_initializers.checked(vectors_initializer, "vectors")

    def _create_vectors(
        self, layer: Any, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        if self.vectors_initializer is not None:
            named = spectral_initializers.get(self.vectors_initializer, "vectors")
            initializer = algebra_initializers.for_kernel(named, self.algebra)
        self._vector = layer.add_weight(
            name=f"{self._prefix}vectors",
            shape=self.stored_shape,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
            trainable=self.train_vectors,
            autocast=False,
        )

    @property
    def _vectors(self) -> list[keras.Variable]:
        return [self._vector]

    def phi(self) -> Tensor:
        """The eigenvectors, `(d, *window, in, out)`."""
        return self._shown(ops.convert_to_tensor(self._vector))

    def _set_phi(self, value: Tensor) -> None:
        self._vector.assign(self._stored(ops.cast(value, self._vector.dtype)))

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Replace the kernel by `value` where `mask` is False, through the eigenvectors.

        Raises:
            ValueError: if that is impossible where two eigenvalues are equal; or if a value that is
                not 0 has to be held while eigenvalues are trained and the vectors are frozen.
        """
        value = self._check_shape(value)
        value = ops.where(mask, ops.zeros_like(value), value)
        fixed = not self.train_vectors and (self.train_in or self.train_out)
        if self._constrained and fixed and bool(ops.any(ops.not_equal(value, 0))):
            raise ValueError(
                f"'{self.path}' has frozen eigenvectors and trained eigenvalues, so in training it "
                "can hold pruned weights at 0 only. Use a criterion that removes weights, or "
                "train_vectors=True. Received: a pruned value that is not 0"
            )
        self._set_phi(ops.where(mask, self.phi(), self._phi_of(value)))

    def constrain(self, projection: Projection | None) -> None:
        """Project the kernel after every optimizer step, through the eigenvectors."""
        self._constrained = projection is not None
        if projection is None:
            install(self._vector, None)
            return

        def project(stored: Tensor) -> Tensor:
            phi, gap = self._shown(stored), self.gap()
            old = gap * phi
            new = projection(old)
            # What is kept keeps its very eigenvector. Between equal eigenvalues the kernel is 0
            # whatever it is, and a later step that parts them projects it.
            flat = ops.equal(gap, 0)
            held = ops.logical_or(ops.equal(new, old), flat)
            return self._stored(
                ops.where(held, phi, new / ops.where(flat, ops.ones_like(gap), gap))
            )

        install(self._vector, project)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "train_vectors": self.train_vectors,
            "vectors_initializer": spectral_initializers.serialize(self.vectors_initializer),
        }
