"""Wavelets and banks of filters, in NumPy.

Example:

>>> from keras_phase import wavelets
>>> bank = wavelets.filter_bank("morlet", scales=2, angles=4)
>>> bank.wavelets, bank.window
(8, (13, 13))
"""

from .bank import FilterBank as FilterBank
from .filter_bank import BANKS as BANKS
from .filter_bank import filter_bank as filter_bank
from .mothers import MOTHERS as MOTHERS
from .mothers import daubechies as daubechies


def names() -> tuple[str, ...]:
    """Names of the filter banks."""
    return BANKS.names()
