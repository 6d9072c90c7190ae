"""Schedules: values against exact fractions, round trips, foreign schedules, refusals."""

from fractions import Fraction

import keras
import numpy as np
import pytest

from keras_phase.pruning import schedules
from keras_phase.pruning.schedules import (
    ConstantSparsity,
    PhaseConstantSparsity,
    PhasePolynomialDecay,
    PolynomialDecay,
    Schedule,
    SignConstantSparsity,
    SignPolynomialDecay,
)
from tests.helpers import label

CONSTANT = (ConstantSparsity, PhaseConstantSparsity, SignConstantSparsity)
DECAY = (PolynomialDecay, PhasePolynomialDecay, SignPolynomialDecay)

# initial, final, begin, end, power, frequency
DECAYS = [
    (0.0, 1.0, 0, 100, 3, 10),
    (0.5, 0.9, 20, 60, 1, 7),
    (0.9, 0.25, 3, 11, 2, 1),
    (0.25, 0.25, 0, 8, 3, 2),
]


@pytest.mark.parametrize("case", DECAYS, ids=label)
def test_decay_is_the_polynomial_of_the_remaining_time(case):
    initial, final, begin, end, power, frequency = case
    schedule = PolynomialDecay(initial, final, begin, end, power, frequency)
    for step in range(end + 20):
        remaining = Fraction(end - min(max(step, begin), end), end - begin)
        exact = Fraction(final) + (Fraction(initial) - Fraction(final)) * remaining**power
        due, fraction = schedule(step)
        assert due == (step in range(begin, end + 1, frequency))
        assert fraction == pytest.approx(float(exact), abs=1e-6)
        assert type(due) is bool
        assert type(fraction) is float


@pytest.mark.parametrize(("end", "last"), [(-1, 10**6), (23, 23)])
def test_constant_is_due_every_frequency_steps(end, last):
    schedule = ConstantSparsity(0.75, begin_step=5, end_step=end, frequency=6)
    due = [step for step in range(60) if schedule(step)[0]]
    assert due == [s for s in range(5, 60, 6) if s <= last]
    assert schedule(0) == (False, 0.75)


def test_decay_that_begins_where_it_ends_is_at_its_end():
    assert PolynomialDecay(0.0, 1.0, 10, 10)(10) == (True, 1.0)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        *zip(CONSTANT, (None, "phase", "sign"), strict=True),
        *zip(DECAY, (None, "phase", "sign"), strict=True),
    ],
)
def test_schedules_carry_their_criterion_and_survive_serialization(cls, name):
    numbers = (0.125, 1.0, 3, 40, 2.5, 9) if cls in DECAY else (1.0, 3, 40, 9)
    schedule = cls(*numbers)
    assert schedule.criterion == name
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(again) is cls
    assert again.get_config() == schedule.get_config()
    assert repr(again) == repr(schedule)
    assert [again(s) for s in range(50)] == [schedule(s) for s in range(50)]
    assert keras.saving.get_registered_name(cls) == f"keras_phase>{cls.__name__}"


REFUSED = [
    (
        lambda: ConstantSparsity(1.5, 0),
        "`target_sparsity` is a fraction.*Received: target_sparsity=1.5",
    ),
    (lambda: ConstantSparsity(float("nan"), 0), "Received: target_sparsity=nan"),
    (lambda: PolynomialDecay(-0.1, 0.5, 0, 10), "Received: initial_sparsity=-0.1"),
    (lambda: PolynomialDecay(0.1, 2, 0, 10), "Received: final_sparsity=2"),
    (
        lambda: ConstantSparsity(0.5, 20, 10),
        "must not end before it begins.*Received: begin_step=20, end_step=10",
    ),
    (lambda: PolynomialDecay(0, 0.5, 20, 10), "must not end before it begins"),
    (lambda: PolynomialDecay(0, 0.5, 0, -1), "A decay needs an end.*Received: end_step=-1"),
    (lambda: ConstantSparsity(0.5, 0, -2), "-1 for no end. Received: end_step=-2"),
    (lambda: ConstantSparsity(0.5, -1), "at least 0. Received: begin_step=-1"),
    (lambda: ConstantSparsity(0.5, 0, frequency=0), "at least 1. Received: frequency=0"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_senseless_schedules_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class TensorSchedule:
    """What TF-MOT's schedules are: tensors in (int64), tensors out."""

    def __call__(self, step):
        assert keras.backend.standardize_dtype(step.dtype) in ("int64", "int32")
        due = keras.ops.equal(step % 3, 0)
        return due, keras.ops.cast(step, "float32") / 10.0

    def get_config(self):
        return {"class_name": "TensorSchedule", "config": {}}


def test_foreign_schedules_are_asked_with_tensors():
    answers = [schedules.ask(TensorSchedule(), step) for step in range(4)]
    assert [due for due, _ in answers] == [True, False, False, True]
    assert [f for _, f in answers] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert {type(v) for answer in answers for v in answer} == {bool, float}


@pytest.mark.parametrize("fraction", [1.5, -0.5, float("nan")])
def test_a_schedule_that_asks_for_no_fraction_is_refused(fraction):
    with pytest.raises(ValueError, match=r"fraction from 0 to 1. Received: fraction=.* at step 7"):
        schedules.ask(lambda step: (True, fraction), 7)


def test_float32_rounding_is_that_of_numpy():
    schedule = PolynomialDecay(0.2, 0.8, 0, 30, frequency=1)
    assert all(np.float32(schedule(s)[1]) == schedule(s)[1] for s in range(31))
    assert isinstance(schedule, Schedule)
