"""The rows against the numbers of others: Python, NumPy and the library `clifford`."""

import clifford
import numpy as np
import pytest

from keras_phase import algebras

SIGNATURES = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 2, 0), (3, 0, 0), (1, 1, 1), (2, 2, 0)]

# A row, a signature, and the images of the row's basis elements in that geometric algebra.
EMBEDDINGS = [
    ("complex", (0, 1, 0), ["1", "e1"]),
    ("complex", (2, 0, 0), ["1", "e12"]),
    ("split_complex", (1, 0, 0), ["1", "e1"]),
    ("dual", (0, 0, 1), ["1", "e1"]),
    ("quaternion", (0, 2, 0), ["1", "e1", "e2", "e12"]),
    ("quaternion", (3, 0, 0), ["1", "-e23", "e13", "-e12"]),
    ("coquaternion", (2, 0, 0), ["1", "-e12", "e1", "e2"]),
    ("coquaternion", (1, 1, 0), ["1", "e2", "e1", "-e12"]),
]


def library_table(p, q, r):
    """Structure constants and names of the blades, by the library."""
    layout = clifford.Layout([1] * p + [-1] * q + [0] * r)
    left_result_right = layout.gmt.todense().astype(int)
    return left_result_right.swapaxes(1, 2), ["1", *layout.names[1:]]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_clifford_algebras(signature):
    table, names = library_table(*signature)
    algebra = algebras.clifford(*signature)
    assert algebra.basis == tuple(names)
    np.testing.assert_array_equal(algebra.structure_constants, table)


@pytest.mark.parametrize(("name", "signature", "images"), EMBEDDINGS)
def test_rows_inside_clifford_algebras(name, signature, images):
    table, names = library_table(*signature)
    embedding = np.zeros((len(images), len(names)), dtype=int)
    for row, image in zip(embedding, images, strict=True):
        row[names.index(image.lstrip("-"))] = -1 if image.startswith("-") else 1
    products = np.einsum("ia,jb,abc->ijc", embedding, embedding, table)
    np.testing.assert_array_equal(algebras.get(name).structure_constants @ embedding, products)


def test_complex_numbers():
    a, b = np.random.default_rng(0).normal(size=(2, 10, 2))
    algebra = algebras.get("complex")
    as_complex = (complex(*x) * complex(*y) for x, y in zip(a, b, strict=True))
    expected = [(z.real, z.imag) for z in as_complex]
    np.testing.assert_allclose(algebra.multiply(a, b), expected, rtol=1e-14)
    np.testing.assert_array_equal(algebra.conjugate(a)[:, 1], -a[:, 1])
    np.testing.assert_allclose(algebra.norm(a), [abs(complex(*x)) ** 2 for x in a])


def test_cross_product():
    a, b = np.random.default_rng(0).normal(size=(2, 10, 3))
    np.testing.assert_allclose(algebras.get("cross").multiply(a, b), np.cross(a, b), rtol=1e-13)


def as_matrices(x, n, e):
    """Elements (..., d) as the matrices (..., n, n) that they list column by column."""
    columns = x.reshape(*x.shape[:-1], n, e, n)
    entries = columns[..., 0, :] + (1j * columns[..., 1, :] if e == 2 else 0)
    return entries.swapaxes(-1, -2)


@pytest.mark.parametrize(
    ("name", "n", "e"), [("m2r", 2, 1), ("m2c", 2, 2), ("m3r", 3, 1), ("m4r", 4, 1)]
)
def test_matrices(name, n, e):
    algebra = algebras.get(name)
    a, b = np.random.default_rng(0).integers(-5, 6, (2, 10, n * n * e))
    x, y = as_matrices(a, n, e), as_matrices(b, n, e)
    np.testing.assert_array_equal(as_matrices(algebra.multiply(a, b), n, e), x @ y)
    np.testing.assert_array_equal(
        as_matrices(algebra.conjugate(a), n, e), x.conj().swapaxes(-1, -2)
    )
    np.testing.assert_array_equal(as_matrices(algebra.unit, n, e), np.eye(n))
    np.testing.assert_allclose(algebra.norm(a), np.linalg.norm(x, axis=(1, 2)) ** 2 / n)
    assert (algebra.matrix.n, algebra.matrix.entry.dimension) == (n, e)
