"""Weights of other packages for complex and quaternion networks, into our layers.

`CONVENTIONS` says how each package stores and multiplies, `convert` turns the arrays of one of its
layers into ours, `load_weights` sets them in a layer or a model.
"""

from .conventions import CONVENTIONS as CONVENTIONS
from .conventions import Convention as Convention
from .conventions import markdown_table as markdown_table
from .load import convert as convert
from .load import load_weights as load_weights
from .sources import read_h5 as read_h5
