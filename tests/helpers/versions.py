"""What only the newest Keras has: skipped on older ones, with a reason that the report counts."""

import keras
import pytest

KERAS = tuple(int(part) for part in keras.__version__.split(".")[:2])


def newest_keras(reason: str) -> pytest.MarkDecorator:
    """Mark a test (or a case) that an older Keras cannot pass, and say why."""
    return pytest.mark.skipif(KERAS < (3, 15), reason=f"Keras {keras.__version__}: {reason}")
