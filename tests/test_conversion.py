"""LiteRT and ONNX compute what Keras computes, layer by layer as docs/export.md says."""

import inspect

import keras
import pytest

import keras_phase
from tests import conversion_table as tables

pytestmark = pytest.mark.tensorflow

needs_packages = pytest.mark.skipif(
    bool(tables.MISSING),
    reason=f"not installed: {', '.join(tables.MISSING)} (pip install -e '.[convert]')",
)


def test_the_page_has_the_table():
    page = tables.PAGE.read_text(encoding="utf-8")
    assert page == tables.page_with_table(page), (
        "The table of docs/export.md is not that of tests/conversion_table.py. Way out: "
        "`python -m tests.conversion_table` writes it."
    )


def test_every_layer_is_in_the_table():
    layers = {
        name
        for name, value in vars(keras_phase).items()
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer)
    }
    assert layers == {row.names.partition(",")[0] for row in tables.ROWS}


@needs_packages
@pytest.mark.slow
@pytest.mark.parametrize("target", tables.TARGETS)
@pytest.mark.parametrize("row", tables.ROWS, ids=lambda row: row.names)
def test_converted_models_compute_the_same(row, target):
    if getattr(row, target):
        assert tables.difference(row, target) < tables.TOLERANCE
    else:
        with pytest.raises(Exception):  # noqa: B017 - each converter has its own
            tables.difference(row, target)
