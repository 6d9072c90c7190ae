"""Look-up, registration, serialization, and the table that documentation shows."""

from pathlib import Path

import pytest

from keras_phase import algebras
from keras_phase.algebras import catalog, tables

ROWS = (
    *("real", "complex", "quaternion", "split_complex", "coquaternion", "dual", "cross"),
    *("m2r", "m2c", "m3r", "m4r", "octonion"),
)


@pytest.fixture
def own_catalog(monkeypatch):
    """Whatever a test registers is gone after it."""
    monkeypatch.setattr(catalog._ROWS, "_objects", dict(catalog._ROWS._objects))


@pytest.fixture
def mine():
    return algebras.clifford(1, 1, name="mine")


def test_the_rows():
    assert tables.SHIPPED == ROWS
    assert algebras.names()[: len(ROWS)] == ROWS
    assert all(algebras.get(name).name == name for name in ROWS)


def test_a_row_is_made_once():
    assert algebras.get("m4r") is algebras.get("m4r")


def test_get_takes_names_records_and_configs(mine):
    assert algebras.get(mine) is mine
    assert algebras.get(mine.get_config()) == mine
    assert algebras.get("real").dimension == 1


def test_messages_of_get():
    with pytest.raises(ValueError) as error:
        algebras.get("hamilton")
    known = ", ".join(algebras.names())
    assert str(error.value) == (
        f"Unknown algebra. Expected one of: {known}. Received: algebra='hamilton'"
    )
    with pytest.raises(TypeError) as error:
        algebras.get(None)
    assert str(error.value) == (
        "Expected the name of an algebra, an `Algebra` or its config. Received: algebra=None"
    )


def test_shipped_rows_serialize_by_name():
    assert [algebras.serialize(name) for name in ROWS] == list(ROWS)


def test_own_algebras_serialize_by_content_until_they_are_registered(own_catalog, mine):
    config = algebras.serialize(mine)
    assert config == mine.get_config()
    assert algebras.get(config) == mine
    assert algebras.register(mine) is mine
    assert algebras.serialize(mine) == "mine"
    assert algebras.get("mine") is mine
    assert algebras.names()[-1] == "mine"


def test_an_impostor_serializes_by_content():
    impostor = algebras.cayley_dickson(1, name="complex")
    assert algebras.serialize(impostor) == impostor.get_config()


def test_registering_an_equal_algebra_again_is_harmless(own_catalog, mine):
    algebras.register(mine)
    algebras.register(algebras.get(mine.get_config()))
    assert algebras.get("mine") is mine


def test_messages_of_register(own_catalog):
    with pytest.raises(ValueError) as error:
        algebras.register(algebras.cayley_dickson(1, name="complex"))
    assert str(error.value) == (
        "There is already an algebra of that name; choose another one. Received: name='complex'"
    )
    with pytest.raises(TypeError) as error:
        algebras.register("complex")
    assert str(error.value) == "Expected an `Algebra`. Received: algebra='complex'"


def test_the_readme_shows_the_table():
    table = algebras.markdown_table()
    readme = Path(algebras.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert f"\n\n{table}\n\n" in readme, f"Paste this into {algebras.__name__}/README.md:\n{table}"


def test_the_table_holds_shipped_rows_only(own_catalog, mine):
    before = algebras.markdown_table()
    algebras.register(mine)
    assert algebras.markdown_table() == before
    assert before.count("\n") == len(ROWS) + 1
