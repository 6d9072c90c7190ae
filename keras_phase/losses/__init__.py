"""Losses for algebra-valued targets, as Keras classes and as functions of the same names."""

from .classes import AlgebraCosineSimilarity as AlgebraCosineSimilarity
from .classes import AlgebraMeanSquaredError as AlgebraMeanSquaredError
from .classes import CoherenceLoss as CoherenceLoss
from .classes import PhaseError as PhaseError
from .functions import algebra_cosine_similarity as algebra_cosine_similarity
from .functions import algebra_mean_squared_error as algebra_mean_squared_error
from .functions import coherence_loss as coherence_loss
from .functions import phase_error as phase_error
