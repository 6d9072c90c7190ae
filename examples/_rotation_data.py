"""A tumbling body seen by its orientation: quaternions, the motion of a free top, samples.

Quaternions are arrays `(..., 4)` in the order 1, i, j, k. An orientation `p` of unit length takes
vectors from the world's axes to the body's, `v_body = p v_world p*`.
"""

from typing import NamedTuple

import numpy as np

from keras_phase import algebras

_QUATERNION = algebras.get("quaternion")
# Moments of inertia of the body: three different ones, so the axis of rotation wanders.
INERTIA = np.array([1.0, 2.0, 3.0])
_STEPS_PER_FRAME = 10


class Motion(NamedTuple):
    """Samples of the task.

    Attributes:
        seen: `(n, frames, 4)`, measured orientations, float32.
        next: `(n, 4)`, true orientation later on, float32.
    """

    seen: np.ndarray
    next: np.ndarray


def random_rotations(rng: np.random.Generator, size: int) -> np.ndarray:
    """`(size, 4)`, uniformly distributed rotations."""
    q = rng.normal(size=(size, 4))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def from_vector(vector: np.ndarray) -> np.ndarray:
    """The rotation by the angle `|vector|`, in radians, about its direction: `(..., 3)`."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # sin(a / 2) / a, which is 1/2 at 0
    return np.concatenate([np.cos(angle / 2), np.sinc(angle / (2 * np.pi)) / 2 * vector], axis=-1)


def rotate(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """`q v q*`, the vectors `(..., 3)` rotated by `q`."""
    pure = np.concatenate([np.zeros_like(vector[..., :1]), vector], axis=-1)
    return _QUATERNION.multiply(_QUATERNION.multiply(q, pure), _QUATERNION.conjugate(q))[..., 1:]


def angle_degrees(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Angle of the rotation from `p` to `q`, of any length, in degrees; q and -q are the same."""
    relative = _QUATERNION.multiply(p, _QUATERNION.conjugate(q))
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(relative[..., 1:], axis=-1), np.abs(relative[..., 0]))
    )


def at_constant_velocity(seen: np.ndarray) -> np.ndarray:
    """`(n, frames, 4)` to `(n, 4)`: the last turn once more."""
    before, last = seen[:, -2], seen[:, -1]
    turn = _QUATERNION.multiply(last, _QUATERNION.conjugate(before))
    return _QUATERNION.multiply(turn, last)


def turning(p: np.ndarray, omega: np.ndarray, time: float, steps: int) -> tuple:
    """Orientation and angular velocity of a free top after `time`, by Runge-Kutta steps.

    Euler's equations in the axes of the body, `I omega' = (I omega) x omega`, and the orientation,
    `p' = -omega p / 2`.

    Args:
        p: `(n, 4)`, orientations.
        omega: `(n, 3)`, angular velocities in the body's axes.
        time: how long to go.
        steps: in how many steps.

    Returns:
        The two after that time, the orientation with continuous sign.
    """
    state, h = np.concatenate([p, omega], axis=-1), time / steps
    for _ in range(steps):
        k1 = _derivative(state)
        k2 = _derivative(state + h / 2 * k1)
        k3 = _derivative(state + h / 2 * k2)
        k4 = _derivative(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state[:, :4], state[:, 4:]


def tumbling(
    size: int, seed: int, *, frames: int = 4, speed: float = 0.5, noise_degrees: float = 1.0
) -> Motion:
    """Bodies in random orientations, with random angular velocities, seen in `frames` frames.

    Args:
        size: number of samples.
        seed: of the samples.
        frames: that are seen; the orientation of the next one is to be predicted.
        speed: standard deviation of each component of the angular velocity, radians a frame.
        noise_degrees: standard deviation of the error of a measured orientation about each axis.
    """
    rng = np.random.default_rng(seed)
    p, omega = random_rotations(rng, size), speed * rng.normal(size=(size, 3))
    path = [p]
    for _ in range(frames):
        p, omega = turning(p, omega, 1.0, _STEPS_PER_FRAME)
        path.append(p)
    *seen, following = path
    error = from_vector(np.radians(noise_degrees) * rng.normal(size=(size, frames, 3)))
    measured = _QUATERNION.multiply(error, np.stack(seen, axis=1))
    return Motion(measured.astype("float32"), following.astype("float32"))


def _derivative(state: np.ndarray) -> np.ndarray:
    p, omega = state[:, :4], state[:, 4:]
    pure = np.concatenate([np.zeros_like(omega[:, :1]), omega], axis=-1)
    return np.concatenate(
        [-_QUATERNION.multiply(pure, p) / 2, np.cross(INERTIA * omega, omega) / INERTIA], axis=-1
    )
