"""Reference networks: functions that build a Keras model over any algebra.

`resnet` and `mobilenet` classify images, `transformer` predicts tokens. In all of them `width`
counts algebra elements, the input is real (or integer) and so are the logits, and with
`algebra="real"` the network is the ordinary one. `phase_collapse_network`, `learned_scattering` and
`scattering_classifier` classify images by moduli of wavelet coefficients. `width_for` finds the
width at which two algebras have equally many real parameters.

Example:

>>> import keras_phase
>>> model = keras_phase.models.resnet((32, 32, 3), 10, algebra="quaternion", width=8, depth=8)
>>> model.output_shape
(None, 10)
"""

from .budget import width_for as width_for
from .mobilenet import MOBILENET_BLOCKS as MOBILENET_BLOCKS
from .mobilenet import mobilenet as mobilenet
from .phase_collapse import PHASE_COLLAPSE as PHASE_COLLAPSE
from .phase_collapse import learned_scattering as learned_scattering
from .phase_collapse import phase_collapse_network as phase_collapse_network
from .phase_collapse import scattering_classifier as scattering_classifier
from .resnet import bias_free_resnet as bias_free_resnet
from .resnet import resnet as resnet
from .transformer import transformer as transformer
