"""How other packages store and multiply: one row each, and the conversion to our layout.

Ours is `y_j = sum_i w_ij * x_i`, the weight on the left, kernels `(d, *window, in, out)`, biases
component-major. A row says where another package departs from that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .. import algebras
from ..registry import Registry

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Convention:
    """One layer of one package.

    Attributes:
        name: `"package/kind"`, the kind being `dense`, `conv` or `batch_normalization`.
        algebra: name of the algebra.
        layer: what the package calls it.
        kernel: names of its kernel arrays, in its order: one for each component, or one for all.
        bias: the same for its bias.
        others: names of its other arrays.
        conjugated: whether it multiplies by `conj(w)`; its kernel is conjugated here.
        axes: `"window, in, out"` or `"out, in, window"`.
        flipped: whether it convolves, `w` running against `x`, where ours correlates.
        reference: where that is read.
    """

    name: str
    algebra: str
    layer: str
    kernel: tuple[str, ...] = ()
    bias: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    conjugated: bool = False
    axes: str = "window, in, out"
    flipped: bool = False
    reference: str = ""

    @property
    def kind(self) -> str:
        """`dense`, `conv` or `batch_normalization`."""
        return self.name.partition("/")[2]

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of all its arrays, in the order of its `get_weights()`."""
        return self.kernel + self.bias + self.others

    @property
    def product(self) -> str:
        """What it computes with its own numbers."""
        if self.kind == "batch_normalization":
            return "gamma V^(-1/2) (x - mean) + beta"
        weight = "conj(w)" if self.conjugated else "w"
        return f"{weight} * x" + (", window flipped" if self.flipped else "")

    def convert(self, arrays: Arrays, epsilon: float = 1e-4) -> dict[str, np.ndarray]:
        """Our weights by name, from theirs by name.

        Args:
            arrays: exactly `weights`, or without `bias` for a layer that has none.
            epsilon: of our layer; only batch normalisation needs it.

        Returns:
            `kernel` and `bias`, or the four weights of `AlgebraBatchNormalization` in mode
            whitening.

        Raises:
            ValueError: if an array is missing, unknown, or has another shape.
        """
        self._check_names(arrays)
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        if self.kind == "batch_normalization":
            return _normalization(self, arrays, epsilon)
        converted = {"kernel": self._kernel([arrays[name] for name in self.kernel])}
        if self.bias[0] in arrays:
            converted["bias"] = self._bias([arrays[name] for name in self.bias])
        return converted

    def _check_names(self, arrays: Arrays) -> None:
        required = set(self.weights)
        if self.kernel and not required.intersection(self.bias).intersection(arrays):
            required -= set(self.bias)
        missing = [name for name in self.weights if name in required - set(arrays)]
        unknown = sorted(set(arrays) - set(self.weights))
        if missing or unknown:
            raise ValueError(
                f"Expected the weights {self.weights} of {self.layer}, by the convention "
                f"'{self.name}'"
                + (f" (without {self.bias} if it has no bias)" if self.bias else "")
                + (f". Missing: {missing}" if missing else "")
                + (f". Unknown: {unknown}" if unknown else "")
                + f". Received: {sorted(arrays)}"
            )

    def _kernel(self, arrays: list[np.ndarray]) -> np.ndarray:
        algebra = algebras.get(self.algebra)
        arrays = self._components(arrays)
        rank = 2 if self.kind == "dense" else None
        for array in arrays:
            fits = array.ndim == rank if rank else 3 <= array.ndim <= 5
            if not fits or array.shape != arrays[0].shape:
                raise ValueError(
                    f"Expected kernel arrays ({self.axes}) of "
                    + ("2 axes" if rank else "3 to 5 axes")
                    + f" and one shape, by the convention '{self.name}'. "
                    f"Received: shapes {[a.shape for a in arrays]}"
                )
        kernel = np.stack(arrays)
        if self.axes.startswith("out"):
            kernel = np.moveaxis(kernel, (2, 1), (-2, -1))
        if self.flipped:
            kernel = np.flip(kernel, axis=tuple(range(1, kernel.ndim - 2)))
        if self.conjugated:
            kernel = np.tensordot(algebra.conjugation_matrix.T.astype(kernel.dtype), kernel, 1)
        return kernel

    def _bias(self, arrays: list[np.ndarray]) -> np.ndarray:
        if any(array.ndim != 1 for array in arrays):
            raise ValueError(
                f"Expected bias arrays of 1 axis, by the convention '{self.name}'. "
                f"Received: shapes {[a.shape for a in arrays]}"
            )
        return np.concatenate(self._components(arrays))

    def _components(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """One real array for each component."""
        d = algebras.get(self.algebra).dimension
        if len(arrays) == d:
            return arrays
        (array,) = arrays
        if np.iscomplexobj(array):
            return [array.real, array.imag]
        if array.shape[-1] % d:
            raise ValueError(
                f"Expected the {d} components side by side in the last axis, by the convention "
                f"'{self.name}'. Received: shape {array.shape}"
            )
        return np.split(array, d, axis=-1)


def _normalization(convention: Convention, arrays: Arrays, epsilon: float) -> dict[str, np.ndarray]:
    """The 2 x 2 whitening of deep complex networks.

    Its moving variances include its epsilon already, ours are without.
    """
    n = arrays["gamma_rr"].size
    for name, array in arrays.items():
        size = 2 * n if name in ("beta", "moving_mean") else n
        if array.shape != (size,):
            raise ValueError(
                f"Expected the shape ({size},) for '{name}' with {n} elements, by the convention "
                f"'{convention.name}'. Received: shape {array.shape}"
            )
    rr, ri, ii = (arrays[f"moving_V{part}"] for part in ("rr", "ri", "ii"))
    covariance = np.array([[rr - epsilon, ri], [ri, ii - epsilon]])
    smallest = float(np.linalg.eigvalsh(np.moveaxis(covariance, -1, 0)).min(initial=np.inf))
    if smallest < -1e-6 * float(max(rr.max(initial=0), ii.max(initial=0))):
        raise ValueError(
            "The moving covariance is smaller than the layer's epsilon, which it includes by the "
            f"convention '{convention.name}'. Expected a layer with the epsilon of the original "
            f"one (1e-4 unless it was changed). Received: epsilon={epsilon}"
        )
    return {
        "gamma": np.stack([arrays["gamma_rr"], arrays["gamma_ri"], arrays["gamma_ii"]]),
        "beta": arrays["beta"],
        "moving_mean": arrays["moving_mean"],
        "moving_covariance": covariance,
    }


CONVENTIONS = Registry("convention")


def _row(name: str, algebra: str, layer: str, **fields: object) -> None:
    CONVENTIONS.add(name, Convention(name, algebra, layer, **fields))


_WHITENING = {
    "others": (
        *("gamma_rr", "gamma_ii", "gamma_ri", "beta"),
        *("moving_Vrr", "moving_Vii", "moving_Vri", "moving_mean"),
    )
}
_BIAS, _QUATERNION = ("bias",), tuple("rijk")

_row(
    "keras-complex/dense",
    "complex",
    "ComplexDense",
    kernel=("real_kernel", "imag_kernel"),
    bias=_BIAS,
    conjugated=True,
    reference="JesperDramsch/keras-complex, complexnn/dense.py; keras-complex 0.4.0",
)
_row(
    "keras-complex/conv",
    "complex",
    "ComplexConv1D, 2D, 3D",
    kernel=("kernel",),
    bias=_BIAS,
    reference="JesperDramsch/keras-complex, complexnn/conv.py; keras-complex 0.4.0",
)
_row(
    "keras-complex/batch_normalization",
    "complex",
    "ComplexBatchNormalization",
    **_WHITENING,
    reference="JesperDramsch/keras-complex, complexnn/bn.py; keras-complex 0.4.0",
)
_row(
    "deep-complex/dense",
    "complex",
    "ComplexDense",
    kernel=("real_kernel", "imag_kernel"),
    bias=_BIAS,
    conjugated=True,
    reference="ChihebTrabelsi/deep_complex_networks, complexnn/dense.py",
)
_row(
    "deep-complex/conv",
    "complex",
    "ComplexConv1D, 2D, 3D",
    kernel=("kernel",),
    bias=_BIAS,
    flipped=True,
    reference="ChihebTrabelsi/deep_complex_networks, complexnn/conv.py, on Theano",
)
_row(
    "deep-complex/batch_normalization",
    "complex",
    "ComplexBatchNormalization",
    **_WHITENING,
    reference="ChihebTrabelsi/deep_complex_networks, complexnn/bn.py",
)
_row(
    "deep-quaternion/dense",
    "quaternion",
    "QuaternionDense",
    kernel=tuple(f"{part}_kernel" for part in _QUATERNION),
    bias=_BIAS,
    conjugated=True,
    reference="gaudetcj/DeepQuaternionNetworks, quaternion_layers/dense.py",
)
_row(
    "deep-quaternion/conv",
    "quaternion",
    "QuaternionConv1D, 2D, 3D",
    kernel=("kernel",),
    bias=_BIAS,
    reference="gaudetcj/DeepQuaternionNetworks, quaternion_layers/conv.py",
)
_row(
    "orkis/dense",
    "quaternion",
    "QuaternionLinear, QuaternionLinearAutograd",
    kernel=tuple(f"{part}_weight" for part in _QUATERNION),
    bias=_BIAS,
    reference="Orkis-Research/Pytorch-Quaternion-Neural-Networks, core_qnn/quaternion_ops.py",
)
_row(
    "orkis/conv",
    "quaternion",
    "QuaternionConv",
    kernel=tuple(f"{part}_weight" for part in _QUATERNION),
    bias=_BIAS,
    axes="out, in, window",
    reference="Orkis-Research/Pytorch-Quaternion-Neural-Networks, core_qnn/quaternion_ops.py",
)
_row(
    "cvnn/dense",
    "complex",
    "ComplexDense",
    kernel=("kernel_r", "kernel_i"),
    bias=("bias_r", "bias_i"),
    reference="NEGU93/cvnn, cvnn/layers/core.py",
)
_row(
    "cvnn/conv",
    "complex",
    "ComplexConv1D, 2D, 3D",
    kernel=("kernel_r", "kernel_i"),
    bias=("bias_r", "bias_i"),
    reference="NEGU93/cvnn, cvnn/layers/convolutional.py",
)
_row(
    "torch/dense",
    "complex",
    "torch.nn.Linear of a complex dtype, also in complextorch and torchcvnn",
    kernel=("weight",),
    bias=_BIAS,
    axes="out, in, window",
    reference="complextorch 2.1.1, nn/modules/linear.py",
)
_row(
    "torch/conv",
    "complex",
    "torch.nn.Conv1d, 2d, 3d of a complex dtype, also in complextorch and torchcvnn",
    kernel=("weight",),
    bias=_BIAS,
    axes="out, in, window",
    reference="complextorch 2.1.1, nn/modules/conv.py",
)


def _kernel_axes(convention: Convention) -> str:
    axes = [axis for axis in convention.axes.split(", ") if axis in ("in", "out")]
    return {"dense": ", ".join(axes), "conv": convention.axes}.get(convention.kind, "")


_COLUMNS: tuple[tuple[str, Callable[[Convention], str]], ...] = (
    ("convention", lambda c: f"`{c.name}`"),
    ("algebra", lambda c: c.algebra),
    ("layer", lambda c: c.layer),
    ("its weights, in its order", lambda c: ", ".join(f"`{name}`" for name in c.weights)),
    ("kernel axes", _kernel_axes),
    ("it computes", lambda c: f"`{c.product}`"),
    ("read in", lambda c: c.reference),
)


def markdown_table() -> str:
    """The registry as a table, which docs/migration.md prints."""
    rows = [CONVENTIONS.get(name) for name in CONVENTIONS]
    lines = [" | ".join(title for title, _ in _COLUMNS), " | ".join("---" for _ in _COLUMNS)]
    lines += [" | ".join(cell(convention) for _, cell in _COLUMNS) for convention in rows]
    return "\n".join(f"| {line} |" for line in lines)
