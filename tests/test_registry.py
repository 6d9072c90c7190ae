"""Named objects: order, look-up, and what a wrong name is told."""

import pytest

from keras_phase.registry import Registry


@pytest.fixture
def shapes():
    registry = Registry("shape")
    registry.add("square", 4)
    registry.add("circle", 0)
    return registry


def test_keeps_the_order_of_insertion(shapes):
    assert shapes.names() == ("square", "circle")
    assert list(shapes) == ["square", "circle"]
    assert len(shapes) == 2
    assert repr(shapes) == "Registry('shape': square, circle)"


def test_add_and_register_return_the_object(shapes):
    def triangle():
        pass

    assert shapes.register("triangle")(triangle) is triangle
    assert shapes.get("triangle") is triangle
    assert shapes.add("pentagon", 5) == 5


def test_an_unknown_name_lists_the_known_ones(shapes):
    with pytest.raises(ValueError) as error:
        shapes.get("cube")
    assert str(error.value) == (
        "Unknown shape. Expected one of: square, circle. Received: shape='cube'"
    )


def test_a_taken_name_is_refused_and_the_object_stays(shapes):
    with pytest.raises(ValueError) as error:
        shapes.add("circle", 1)
    assert str(error.value) == (
        "There is already a shape of that name; choose another one. Received: name='circle'"
    )
    assert shapes.get("circle") == 0


@pytest.mark.parametrize(
    ("name", "exception", "message"),
    [
        (3, TypeError, "Expected a string as the name of the shape. Received: name=3"),
        ("", ValueError, "The name of the shape must not be empty. Received: name=''"),
    ],
)
def test_a_name_is_a_string(shapes, name, exception, message):
    with pytest.raises(exception) as error:
        shapes.add(name, 1)
    assert str(error.value) == message


def test_contains_takes_anything(shapes):
    assert "square" in shapes
    assert "cube" not in shapes
    assert {"class_name": "square"} not in shapes
    with pytest.raises(ValueError, match="Unknown shape"):
        shapes.get(["square"])
