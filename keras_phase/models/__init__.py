"""Reference networks: functions that build a Keras model over any algebra.

`resnet` and `mobilenet` classify images, `transformer` predicts tokens. In all of them `width`
counts algebra elements, the input is real (or integer) and so are the logits, and with
`algebra="real"` the network is the ordinary one. `width_for` finds the width at which two algebras
have equally many real parameters.

Example:

>>> import keras_phase
>>> model = keras_phase.models.resnet((32, 32, 3), 10, algebra="quaternion", width=8, depth=8)
>>> model.output_shape
(None, 10)
"""

from .budget import width_for as width_for
from .mobilenet import MOBILENET_BLOCKS as MOBILENET_BLOCKS
from .mobilenet import mobilenet as mobilenet
from .resnet import resnet as resnet
from .transformer import transformer as transformer
