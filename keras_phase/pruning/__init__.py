"""Pruning by magnitude, phase, sign and other criteria, while a model trains or at once.

`PruningCallback` prunes under `fit`, `Pruner` in a custom loop, `prune` at once; `PhaseProbe` shows
what pruning would cost. Four choices are independent of each other: the schedule (when and how
much), the criterion (what goes first, and what it becomes), the granularity (elements, components,
blocks, nodes, patterns such as 2:4) and the scope (within each weight, or over all).
"""

from . import criteria as criteria
from . import granularity as granularity
from . import nodes as nodes
from . import pretraining as pretraining
from . import probe as probe
from . import schedules as schedules
from .callback import PruningCallback as PruningCallback
from .criteria import Criterion as Criterion
from .masks import LayerSparsity as LayerSparsity
from .masks import get_masks as get_masks
from .masks import rewind as rewind
from .masks import set_masks as set_masks
from .masks import snapshot as snapshot
from .masks import sparsity_report as sparsity_report
from .pretraining import EigenvalueHistory as EigenvalueHistory
from .probe import PhaseProbe as PhaseProbe
from .probe import Variant as Variant
from .pruner import Pruner as Pruner
from .pruner import prune as prune
from .pruner import release as release
from .regrowth import cosine_drop as cosine_drop
from .regrowth import rigl as rigl
from .regrowth import sign_stability as sign_stability
from .regrowth import sparse_evolution as sparse_evolution
from .schedules import ConstantSparsity as ConstantSparsity
from .schedules import CosineSparsity as CosineSparsity
from .schedules import CubicSparsity as CubicSparsity
from .schedules import PhaseConstantSparsity as PhaseConstantSparsity
from .schedules import PhasePolynomialDecay as PhasePolynomialDecay
from .schedules import PolynomialDecay as PolynomialDecay
from .schedules import Schedule as Schedule
from .schedules import SignConstantSparsity as SignConstantSparsity
from .schedules import SignPolynomialDecay as SignPolynomialDecay
from .schedules import one_shot as one_shot
from .summaries import PruningSummaries as PruningSummaries
from .update_step import UpdatePruningStep as UpdatePruningStep
from .vocabulary import PruningPolicy as PruningPolicy
from .vocabulary import prune_low_magnitude as prune_low_magnitude
from .vocabulary import pruning_scope as pruning_scope
from .vocabulary import strip_pruning as strip_pruning
from .wrapper import PrunableLayer as PrunableLayer
from .wrapper import PruneLowMagnitude as PruneLowMagnitude
