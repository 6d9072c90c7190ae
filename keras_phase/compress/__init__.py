"""Small files of pruned models: phase codes, signs, sparse elements, entropy coded.

`save` writes a model's architecture and its effective kernels, each in the smallest of several
exact forms; `load` gives a plain Keras model with the same weights, bit for bit. A file carries a
digest, is read within the memory that its size justifies, and nothing in it is executed.
"""

from .files import Report as Report
from .files import WeightReport as WeightReport
from .files import load as load
from .files import save as save
