"""Spectral kernels whose eigenvectors are a product of which few factors are trained: SVD and QR.

The eigenvectors `phi` `(d, *window, in, out)` count as a matrix with a column for each output node
and `rows = d*prod(window)*in` rows. So both decompositions exist in every algebra, and for d = 1
they are those of the paper.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from .. import initializers as algebra_initializers
from . import spectral_initializers
from .base import Parametrization, Projection, install
from .spectral import SpectralBase

Tensor = Any


class _Factored(SpectralBase):
    """Eigenvectors as `left @ right`; an output node is a column of `right`."""

    @property
    def _rows(self) -> int:
        return self.algebra.dimension * math.prod(self.shape[:-1])

    def _flat(self, value: Tensor) -> Tensor:
        """`(d, *window, in, out)` to `(rows, out)`."""
        return ops.reshape(value, (self._rows, self.shape[-1]))

    def _unflat(self, value: Tensor) -> Tensor:
        return ops.reshape(value, (self.algebra.dimension, *self.shape))

    def _initializer(self, initializer: Any, algebra: Any) -> Any:
        if self.vectors_initializer is None:
            return initializer
        named = spectral_initializers.get(self.vectors_initializer, "vectors")
        return algebra_initializers.for_kernel(named, algebra)

    def _silenced(self, mask: Tensor, value: Tensor) -> np.ndarray:
        """Output nodes that `mask` removes whole, `(out,)`.

        Raises:
            ValueError: if it prunes single elements, or to another value than 0.
        """
        value = self._check_shape(value)
        keep = np.broadcast_to(ops.convert_to_numpy(mask), tuple(value.shape))
        keep = keep.reshape(-1, self.shape[-1])
        gone = ~keep.any(axis=0)
        rest = ops.convert_to_numpy(value).reshape(keep.shape)[~keep]
        if (~keep[:, ~gone]).any() or rest.any():
            raise ValueError(
                f"'{self.path}' holds its eigenvectors as a product ({type(self).__name__}), which "
                "can be pruned by whole output nodes and to 0 only. Use granularity='node' with a "
                "criterion that removes weights, or Spectral(), or DynamicSparse around this "
                "parametrization. Received: a mask with single elements, or a value that is not 0"
            )
        return gone

    def _held(self, projection: Projection, stored: Tensor) -> Tensor:
        """1 for nodes with a weight left by the projection, 0 for the others, `(out,)`."""
        # Only removals come here (`prune` refuses the rest), which show on any kernel: no frozen
        # factor has to be read, which JAX does not allow inside a train step.
        ones = ops.ones((self.algebra.dimension, *self.shape), dtype=stored.dtype)
        new = self._flat(projection(ones))
        return ops.cast(ops.any(ops.not_equal(new, 0), axis=0), stored.dtype)

    def _phi_with(self, stored: Tensor) -> Tensor:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "vectors_initializer": spectral_initializers.serialize(self.vectors_initializer),
        }


class SpectralSVD(_Factored):
    """Spectral kernel with eigenvectors `phi = U diag(s) V^T`, of which `s` is trained.

    Variables beside the eigenvalues: `left` `(rows, rank)`, `singular_values` `(rank,)` and `right`
    `(out, rank)` with `rows = d*prod(window)*in`. Trained numbers of a dense layer:
    `in + out + rank`, and `rank <= min(d*in, out)`.

    Pruning removes whole output nodes only.

    Args:
        train_in: as of `Spectral`.
        train_out: as of `Spectral`.
        rank: number of singular values at most; None: all.
        train_left: whether U is trained.
        train_values: whether the singular values are trained.
        train_right: whether V is trained.
        orthogonal: True: U and V with orthonormal columns and the singular values are those of a
            kernel drawn from `vectors_initializer`. False: the form of the authors' code,
            independent entries of U and V from N(0, 0.04^2), singular values uniform in [0, 3].
        in_initializer: as of `Spectral`.
        out_initializer: as of `Spectral`.
        vectors_initializer: of the eigenvectors that are decomposed; None takes the layer's own.
        eigenvalue_regularizer: of both sets of eigenvalues.
        eigenvalue_constraint: of both sets.

    Raises:
        ValueError: if `rank` is not positive, or as `Spectral`.

    Reference:
        Chicchi et al., arXiv 2106.09021, S-SVD.
    """

    def __init__(
        self,
        train_in: bool | None = True,
        train_out: bool | None = True,
        rank: int | None = None,
        train_left: bool = False,
        train_values: bool = True,
        train_right: bool = False,
        orthogonal: bool = True,
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
        if rank is not None and (not isinstance(rank, int) or rank <= 0):
            raise ValueError(
                "Expected `rank` to be a positive number of singular values, or None for all. "
                f"Received: rank={rank!r}"
            )
        self.rank, self.orthogonal = rank, orthogonal
        self.train_left, self.train_values, self.train_right = train_left, train_values, train_right
        self.vectors_initializer = spectral_initializers.checked(vectors_initializer, "vectors")

    def _create_vectors(
        self, layer: Any, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        rank = min(self._rows, self.shape[-1])
        rank = rank if self.rank is None else min(rank, self.rank)
        starts: Any = (
            keras.initializers.RandomNormal(0.0, 0.04),
            keras.initializers.RandomUniform(0.0, 3.0),
            keras.initializers.RandomNormal(0.0, 0.04),
        )
        if self.orthogonal:
            drawn = _DecomposedOnce(self._initializer(initializer, self.algebra), self, _svd)
            starts = tuple(drawn.factor(i) for i in range(3))
        self._left, self._values, self._right = (
            layer.add_weight(
                name=f"{self._prefix}{name}",
                shape=shape,
                initializer=start,
                regularizer=regularizer if train else None,
                constraint=constraint if train else None,
                trainable=train,
                autocast=False,
            )
            for name, shape, start, train in (
                ("left", (self._rows, rank), starts[0], self.train_left),
                ("singular_values", (rank,), starts[1], self.train_values),
                ("right", (self.shape[-1], rank), starts[2], self.train_right),
            )
        )

    @property
    def _vectors(self) -> list[keras.Variable]:
        return [self._values, self._left, self._right]

    def phi(self) -> Tensor:
        """`U diag(s) V^T`, `(d, *window, in, out)`."""
        return self._phi_with(ops.convert_to_tensor(self._right))

    def _phi_with(self, stored: Tensor) -> Tensor:
        left = ops.convert_to_tensor(self._left) * ops.convert_to_tensor(self._values)
        return self._unflat(ops.matmul(left, ops.transpose(stored)))

    def _set_phi(self, value: Tensor) -> None:
        value = ops.cast(self._flat(value), self._values.dtype)
        rank = self._values.shape[0]
        factors = _svd(value, rank)
        lost = ops.max(ops.abs(_product(*factors) - value))
        scale = ops.max(ops.abs(value))
        if float(lost) > 1e-4 * float(scale):
            raise ValueError(
                f"'{self.path}' has {rank} singular values, too few for this kernel. Use a larger "
                f"`rank`, or None. Received: rank={self.rank}, largest error {float(lost):.3g}"
            )
        for variable, factor in zip((self._left, self._values, self._right), factors, strict=True):
            variable.assign(factor)

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Remove the output nodes that `mask` removes whole.

        Raises:
            ValueError: if it prunes single elements, or to another value than 0.
        """
        gone = self._silenced(mask, value)
        right = ops.convert_to_tensor(self._right)
        self._right.assign(ops.where(gone[:, None], ops.zeros_like(right), right))

    def constrain(self, projection: Projection | None) -> None:
        """Keep removed output nodes removed."""
        if projection is None:
            install(self._right, None)
            return
        install(self._right, lambda v: v * ops.expand_dims(self._held(projection, v), 1))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "rank": self.rank,
            "train_left": self.train_left,
            "train_values": self.train_values,
            "train_right": self.train_right,
            "orthogonal": self.orthogonal,
        }


class SpectralQR(_Factored):
    """Spectral kernel with eigenvectors `phi = Q R`: orthonormal Q is frozen, R is trained.

    Variables beside the eigenvalues: `orthonormal` `(rows, K)` and `triangle`, the entries of R, a
    `(K, out)` matrix with zeros below its diagonal; `K = min(rows, out)`, `rows = d*prod(window)*
    in`. Trained numbers: `in + out + K(K + 1)/2 + K(out - K)`. The paper counts `K(K + 1)/2`, which
    is that for `out <= rows`; its code trains all `K*out` entries, the zeros too:
    `triangular=False`.

    Pruning removes whole output nodes only.

    Args:
        train_in: as of `Spectral`.
        train_out: as of `Spectral`.
        triangular: whether only the triangle is trained.
        train_vectors: whether R is trained; Q never is.
        in_initializer: as of `Spectral`.
        out_initializer: as of `Spectral`.
        vectors_initializer: of the eigenvectors that are decomposed; None takes the layer's own.
        eigenvalue_regularizer: of both sets of eigenvalues.
        eigenvalue_constraint: of both sets.

    Raises:
        ValueError: as `Spectral`.

    Reference:
        Chicchi et al., arXiv 2106.09021, QR.
    """

    def __init__(
        self,
        train_in: bool | None = True,
        train_out: bool | None = True,
        triangular: bool = True,
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
        self.triangular, self.train_vectors = triangular, train_vectors
        self.vectors_initializer = spectral_initializers.checked(vectors_initializer, "vectors")

    def _create_vectors(
        self, layer: Any, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        k, out = min(self._rows, self.shape[-1]), self.shape[-1]
        rows, columns = np.triu_indices(k, 0, out)
        self._places = np.stack([rows, columns], axis=1).astype("int32")
        self._entries = (rows * out + columns).astype("int32")
        self._columns = columns.astype("int32")
        drawn = _DecomposedOnce(self._initializer(initializer, self.algebra), self, _qr)
        self._orthonormal = layer.add_weight(
            name=f"{self._prefix}orthonormal",
            shape=(self._rows, k),
            initializer=drawn.factor(0),
            trainable=False,
            autocast=False,
        )
        self._triangle = layer.add_weight(
            name=f"{self._prefix}triangle",
            shape=(len(rows),) if self.triangular else (k, out),
            initializer=lambda shape, dtype=None: self._packed(drawn.factor(1)(None, dtype)),
            regularizer=regularizer,
            constraint=constraint,
            trainable=self.train_vectors,
            autocast=False,
        )

    @property
    def _vectors(self) -> list[keras.Variable]:
        return [self._triangle, self._orthonormal]

    def phi(self) -> Tensor:
        """`Q R`, `(d, *window, in, out)`."""
        return self._phi_with(ops.convert_to_tensor(self._triangle))

    def _phi_with(self, stored: Tensor) -> Tensor:
        full = stored
        if self.triangular:
            # The gradient of a scatter is a plain gather, that of a gather would be sparse.
            shape = (self._orthonormal.shape[1], self.shape[-1])
            full = ops.scatter(ops.convert_to_tensor(self._places), stored, shape)
        return self._unflat(ops.matmul(ops.convert_to_tensor(self._orthonormal), full))

    def _packed(self, full: Tensor) -> Tensor:
        """R as it is stored."""
        if not self.triangular:
            return full
        return ops.take(ops.reshape(full, (-1,)), ops.convert_to_tensor(self._entries), axis=0)

    def _set_phi(self, value: Tensor) -> None:
        q, r = _qr(ops.cast(self._flat(value), self._triangle.dtype), None)
        self._orthonormal.assign(q)
        self._triangle.assign(self._packed(r))

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Remove the output nodes that `mask` removes whole.

        Raises:
            ValueError: if it prunes single elements, or to another value than 0.
        """
        keep = ops.cast(np.logical_not(self._silenced(mask, value)), self._triangle.dtype)
        self._triangle.assign(self._scaled(ops.convert_to_tensor(self._triangle), keep))

    def constrain(self, projection: Projection | None) -> None:
        """Keep removed output nodes removed."""
        if projection is None:
            install(self._triangle, None)
            return
        install(self._triangle, lambda r: self._scaled(r, self._held(projection, r)))

    def _scaled(self, stored: Tensor, keep: Tensor) -> Tensor:
        if self.triangular:
            keep = ops.take(keep, ops.convert_to_tensor(self._columns), axis=0)
        # Not a product, which would leave negative zeros.
        return ops.where(ops.equal(keep, 0), ops.zeros_like(stored), stored)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "triangular": self.triangular,
            "train_vectors": self.train_vectors,
        }


class _DecomposedOnce:
    """Initializers of factors, all of one drawn kernel."""

    def __init__(self, initializer: Any, owner: Parametrization, decompose: Any):
        self._initializer, self._owner, self._decompose = initializer, owner, decompose
        self._factors: Any = None

    def factor(self, index: int) -> Any:
        """An initializer of that factor; the first one called draws."""

        def start(shape: Any, dtype: Any = None) -> Tensor:
            if self._factors is None:
                owner = self._owner
                drawn = owner._shown(self._initializer(owner.stored_shape, dtype=dtype))
                rank = shape[-1] if shape is not None else None
                self._factors = self._decompose(owner._flat(drawn), rank)
            return ops.cast(self._factors[index], dtype)

        return start


def _svd(value: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    left, values, right = ops.svd(value, full_matrices=False)
    return left[:, :rank], values[:rank], ops.transpose(right)[:, :rank]


def _qr(value: Tensor, rank: int | None) -> tuple[Tensor, Tensor]:
    return ops.qr(value, mode="reduced")


def _product(left: Tensor, values: Tensor, right: Tensor) -> Tensor:
    return ops.matmul(left * values, ops.transpose(right))
