"""Decoder Transformers over tokens."""

from collections.abc import Callable
from typing import Any

import keras

from .. import algebras
from ..layers.arguments import require_positive
from ..layers.attention import AlgebraMultiHeadAttention
from ..layers.conversion import FromAlgebra
from ..layers.dense import AlgebraDense
from ..layers.dropout import AlgebraDropout
from ..layers.embedding import AlgebraEmbedding
from ..layers.layer_normalization import AlgebraLayerNormalization, AlgebraRMSNormalization
from ..registry import Registry

Tensor = Any

NORMALIZATIONS = Registry("normalization")
NORMALIZATIONS.add("rms", AlgebraRMSNormalization)
NORMALIZATIONS.add("layer", AlgebraLayerNormalization)


def transformer(
    vocabulary_size: int,
    sequence_length: int | None = None,
    *,
    algebra: Any = "complex",
    width: int = 64,
    num_layers: int = 4,
    num_heads: int = 4,
    mlp_ratio: int = 4,
    dropout: float = 0.0,
    normalization: str | None = "rms",
    rotary: bool = True,
    activation: Any = "relu",
    method: str = "auto",
    name: str | None = None,
) -> keras.Model:
    """A decoder Transformer over an algebra: at every position, logits of the next token.

    Embedded tokens go through `num_layers` blocks of causal attention,
    `x + attention(N(x))`, and of two dense layers, `x + w2 * relu(w1 * N(x) + b1) + b2`. After a
    last normalisation N a real dense layer reads all components of an element
    (`FromAlgebra("concat")`): it is the real inner product with a vector for each token, that is
    not tied to the embedding. Positions are phases: queries and keys turn with their position
    (`RotaryPhaseEncoding`), so scores depend on distances and any length will do.

    `algebra="real"` is the ordinary network.

    Args:
        vocabulary_size: number of tokens.
        sequence_length: number of positions, None for any.
        algebra: name of an algebra, an `Algebra` or its config.
        width: elements at every position, a multiple of `num_heads`.
        num_layers: number of blocks.
        num_heads: heads of `width / num_heads` elements.
        mlp_ratio: elements between the two dense layers, as a multiple of `width`.
        dropout: fraction of the elements to drop, at the end of both parts of a block.
        normalization: `"rms"`, `"layer"`, or None for none.
        rotary: whether positions turn queries and keys; without, the order of tokens shows in the
            causal mask only.
        activation: between the two dense layers, see `keras_phase.activations`.
        method: how products are computed, as in `AlgebraDense`.
        name: of the model.

    Input shape:
        `(batch, time)`, integers.

    Output shape:
        `(batch, time, vocabulary_size)`, logits.

    Raises:
        ValueError: if a size is not positive, `width` is not a multiple of `num_heads`, or a name
            is unknown; and from `RotaryPhaseEncoding`, if heads turn in pairs of elements and have
            an odd number of them.

    Reference:
        Vaswani et al., "Attention is all you need", arXiv 1706.03762, section 3 (the decoder,
        normalised before each part). Hoffmann et al., "AlgebraNets", arXiv 2006.07360.

    Example:

    >>> model = transformer(256, 32, algebra="quaternion", width=8, num_layers=1, num_heads=2)
    >>> model.output_shape, model.count_params()
    ((None, 32, 256), 19896)
    """
    require_positive(
        vocabulary_size=vocabulary_size,
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
        mlp_ratio=mlp_ratio,
    )
    if width % num_heads:
        raise ValueError(
            "Expected `width` to be a multiple of `num_heads`: every head has as many elements. "
            f"Received: width={width}, num_heads={num_heads}"
        )
    algebra = algebras.get(algebra)
    normalize = _normalizer(normalization, algebra)
    shared = {"algebra": algebra, "method": method}

    def drop(x: Tensor, at: str) -> Tensor:
        return AlgebraDropout(dropout, algebra=algebra, name=f"{at}_dropout")(x) if dropout else x

    tokens = keras.Input((sequence_length,), dtype="int32", name="tokens")
    x = AlgebraEmbedding(
        vocabulary_size,
        width,
        keras.initializers.RandomNormal(stddev=1.0),
        algebra=algebra,
        name="embedding",
    )(tokens)
    for i in range(num_layers):
        at = f"block{i + 1}"
        attention = AlgebraMultiHeadAttention(
            num_heads,
            width // num_heads,
            use_bias=False,
            rotary=rotary,
            name=f"{at}_attention",
            **shared,
        )
        y = normalize(x, f"{at}_attention_norm")
        y = drop(attention(y, y, use_causal_mask=True), f"{at}_attention")
        x = keras.layers.Add(name=f"{at}_attention_add")([x, y])
        y = normalize(x, f"{at}_mlp_norm")
        y = AlgebraDense(mlp_ratio * width, activation, name=f"{at}_mlp1", **shared)(y)
        y = drop(AlgebraDense(width, name=f"{at}_mlp2", **shared)(y), f"{at}_mlp")
        x = keras.layers.Add(name=f"{at}_mlp_add")([x, y])
    x = FromAlgebra("concat", algebra=algebra, name="from_algebra")(normalize(x, "norm"))
    logits = keras.layers.Dense(vocabulary_size, name="logits")(x)
    return keras.Model(tokens, logits, name=name)


def _normalizer(normalization: str | None, algebra: Any) -> Callable[[Tensor, str], Tensor]:
    if normalization is None:
        return lambda x, name: x
    cls = NORMALIZATIONS.get(normalization)
    return lambda x, name: cls(algebra=algebra, name=name)(x)
