"""The rotation example: its quaternions against SciPy and conservation laws, and a quick run."""

import csv
import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
from absl import app, flags
from absl.testing import flagsaver

ROOT = Path(__file__).parents[2]


@pytest.fixture
def motion():
    return importlib.import_module("_rotation_data")


@pytest.fixture
def example():
    return importlib.import_module("rotation_prediction")


def scipy_rotation():
    return pytest.importorskip(
        "scipy.spatial.transform", reason="SciPy is the oracle of rotations"
    ).Rotation


def vectors(size=50, scale=1.0):
    return scale * np.random.default_rng(1).normal(size=(size, 3))


def scipy_form(q):
    """SciPy's order of the components: i, j, k, 1."""
    return np.roll(q, -1, axis=-1)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, 4.0])
def test_rotation_vectors_are_scipys(motion, scale):
    rotation = scipy_rotation()
    q = motion.from_vector(vectors(scale=scale))
    expected = rotation.from_rotvec(vectors(scale=scale))
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0)
    angles = (rotation.from_quat(scipy_form(q)) * expected.inv()).magnitude()
    np.testing.assert_allclose(angles, 0, atol=1e-7)


def test_rotated_vectors_are_scipys(motion):
    rotation, rng = scipy_rotation(), np.random.default_rng(0)
    q, v = motion.random_rotations(rng, 50), vectors()
    expected = rotation.from_quat(scipy_form(q)).apply(v)
    np.testing.assert_allclose(motion.rotate(q, v), expected, atol=1e-12)


def test_angles_are_scipys(motion):
    rotation, rng = scipy_rotation(), np.random.default_rng(0)
    p, q = motion.random_rotations(rng, 50), motion.random_rotations(rng, 50)
    relative = rotation.from_quat(scipy_form(p)) * rotation.from_quat(scipy_form(q)).inv()
    expected = np.degrees(relative.magnitude())
    np.testing.assert_allclose(motion.angle_degrees(p, q), expected)
    np.testing.assert_allclose(motion.angle_degrees(-3 * p, 0.1 * q), expected)


def test_angles_by_hand(motion):
    one, i = np.eye(4)[:2]
    assert motion.angle_degrees(one, i) == pytest.approx(180)
    assert motion.angle_degrees(i, -i) == pytest.approx(0)
    half_turn = np.array([np.cos(np.pi / 8), 0, np.sin(np.pi / 8), 0])
    assert motion.angle_degrees(one, half_turn) == pytest.approx(45)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_principal_axis_is_kept(motion, axis):
    omega = np.zeros((1, 3))
    omega[0, axis] = 0.7
    p = motion.random_rotations(np.random.default_rng(0), 1)
    after, same = motion.turning(p, omega, 3.0, 60)
    np.testing.assert_allclose(same, omega, atol=1e-12)
    # The world seen from the body turns the other way round.
    expected = motion._QUATERNION.multiply(motion.from_vector(-3.0 * omega), p)
    np.testing.assert_allclose(after, expected, atol=1e-8)


def test_a_free_top_keeps_energy_and_angular_momentum(motion):
    p = motion.random_rotations(np.random.default_rng(0), 40)
    omega = vectors(40)
    after, omega_after = motion.turning(p, omega, 4.0, 160)

    def energy(omega):
        return np.sum(motion.INERTIA * omega**2, axis=-1)

    def momentum(p, omega):
        """In the world's axes."""
        return motion.rotate(p * [1, -1, -1, -1], motion.INERTIA * omega)

    np.testing.assert_allclose(energy(omega_after), energy(omega), rtol=1e-5)
    np.testing.assert_allclose(momentum(after, omega_after), momentum(p, omega), atol=1e-4)
    assert np.abs(omega_after - omega).max() > 0.1


def test_samples(motion):
    data = motion.tumbling(300, 0, frames=3, noise_degrees=2.0)
    assert data.seen.shape == (300, 3, 4) and data.next.shape == (300, 4)
    np.testing.assert_allclose(np.linalg.norm(data.seen, axis=-1), 1, rtol=1e-6)
    exact = motion.tumbling(300, 0, frames=3, noise_degrees=0.0)
    np.testing.assert_array_equal(exact.next, data.next)
    error = motion.angle_degrees(data.seen, exact.seen)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(2 * np.sqrt(3), rel=0.1)
    # The sign goes on, so that nearby orientations are nearby quaternions.
    assert np.mean(np.sum(exact.seen[:, 1:] * exact.seen[:, :-1], axis=-1) > 0) > 0.95


def test_constant_velocity_is_exact_for_a_sphere(motion, monkeypatch):
    monkeypatch.setattr(motion, "INERTIA", np.ones(3))
    data = motion.tumbling(100, 0, noise_degrees=0.0)
    guess = motion.at_constant_velocity(data.seen.astype("float64"))
    assert np.mean(motion.angle_degrees(guess, data.next)) < 0.01


@pytest.mark.parametrize("algebra", ["real", "complex", "m2r", "quaternion"])
def test_elements(example, algebra):
    q = np.arange(24.0).reshape(2, 3, 4)
    elements = example.to_elements(q, algebra)
    if algebra == "quaternion":
        np.testing.assert_array_equal(elements[0], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
    one = example.from_elements(example.to_elements(q[:, 0], algebra), algebra)
    np.testing.assert_array_equal(one, q[:, 0])


def test_complex_numbers_are_in_the_quaternions(example, motion):
    q = motion.random_rotations(np.random.default_rng(0), 20)
    i_times = motion._QUATERNION.multiply([0, 1, 0, 0], q)
    parts = example.to_elements(q, "complex").reshape(-1, 2, 2)  # real and imaginary, element
    turned = np.stack([-parts[:, 1], parts[:, 0]], axis=1).reshape(-1, 4)
    np.testing.assert_allclose(example.from_elements(turned, "complex"), i_times)


@pytest.mark.parametrize("activation", ["relu", "modrelu"])
@pytest.mark.parametrize("algebra", ["real", "complex", "m2r", "quaternion"])
def test_equal_numbers_of_parameters(example, algebra, activation):
    units = example.units_for(algebra, activation, 8000)
    count = example.network(algebra, units, activation).count_params()
    assert count == pytest.approx(8000, rel=0.02)


def test_quaternion_networks_do_not_depend_on_the_worlds_axes(example, motion):
    model = example.network("quaternion", 8, "modrelu")
    data = motion.tumbling(5, 0)
    r = motion.random_rotations(np.random.default_rng(3), 1)

    def predict(seen):
        x = example.to_elements(seen.astype("float32"), "quaternion")
        return example.from_elements(keras.ops.convert_to_numpy(model(x)), "quaternion")

    turned = predict(motion._QUATERNION.multiply(data.seen, r[:, None]))
    expected = motion._QUATERNION.multiply(predict(data.seen), r)
    np.testing.assert_allclose(turned, expected, atol=1e-5)


VERDICTS = {
    "wins": ([1.0, 1.2, 1.1], [5.0, 5.5, 5.2], "times the larger standard deviation"),
    "overlaps": ([1.0, 4.0, 2.0], [3.0, 5.0, 4.0], "within the spread"),
    "loses": ([5.0, 5.1], [4.0, 4.1], "did not help"),
    "one seed": ([1.0], [4.0], "one seed does not show"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_verdict(example, case):
    ours, real, said = VERDICTS[case]
    assert said in example.verdict({"quaternion": ours, "real": real})


@pytest.mark.slow
@pytest.mark.tensorflow
def test_quick_run(example, tmp_path, capsys):
    with flagsaver.flagsaver():
        flags.FLAGS(["rotation_prediction.py", "--quick", f"--out={tmp_path}"])
        example.main([])
    said = capsys.readouterr().out
    assert "Mean angle between predicted and true orientation" in said
    assert "with as many parameters" in said
    with (tmp_path / "rotation_prediction.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["algebra"] for row in rows] == ["real", "complex", "m2r", "quaternion"]
    assert all(0 < float(row["test"]) < 180 for row in rows)
    assert all(abs(int(row["parameters"]) / 8000 - 1) < 0.02 for row in rows)


def test_other_dimensions_are_refused(example):
    with flagsaver.flagsaver():
        flags.FLAGS(["rotation_prediction.py", "--algebras=octonion"])
        with pytest.raises(app.UsageError, match=r"dimension 1, 2 or 4\. Received: octonion"):
            example.main([])
