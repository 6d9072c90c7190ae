"""Algebras as data: what the numbers of a layer are.

`get("quaternion")` is a frozen record of a product on `R^d`; everything that a layer, an
initializer or a kernel needs is derived from it. The folder's README states the conventions and how
to add one. Only NumPy is imported here.
"""

from .algebra import Algebra as Algebra
from .algebra import MatrixForm as MatrixForm
from .catalog import get as get
from .catalog import names as names
from .catalog import register as register
from .catalog import serialize as serialize
from .construct import cayley_dickson as cayley_dickson
from .construct import clifford as clifford
from .construct import group_algebra as group_algebra
from .construct import matrix_algebra as matrix_algebra
from .construct import tensor_product as tensor_product
from .factorization import BilinearFactorization as BilinearFactorization
from .tables import markdown_table as markdown_table
