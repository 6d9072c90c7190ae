"""Helpers shared by the tests."""

import re


def label(value: object) -> str:
    """Name of a test case, the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
