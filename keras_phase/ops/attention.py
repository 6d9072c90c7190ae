"""Attention between algebra-valued vectors: heads, masks, scores.

A head's channels `(..., heads, d*n)` are `n` whole elements, component-major. Scores are real, the
Euclidean inner product of two such vectors, so what follows the scores is that of real attention.

Axes are those of the tensors before the split into heads, `(batch, *positions, channels)`.
`attention_axes` are attended, the other positions are batch axes; scores have the shape
`(batch, *other positions, heads, *query sizes, *key sizes)`.
"""

import functools
import inspect
import string
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from . import layout

Tensor = Any

# Older versions of Keras have no fused attention, or none that can be told to be flash attention.
FUSED = getattr(ops, "dot_product_attention", None)
_HAS_FLASH = FUSED is not None and "flash_attention" in inspect.signature(FUSED).parameters


def can_fuse(rank: int, key_dim: int, value_dim: int) -> bool:
    """Whether Keras's fused operation takes such queries (of that rank), keys and values."""
    same = key_dim == value_dim or keras.backend.backend() != "jax"
    return FUSED is not None and rank == 3 and same


def flash_setting(flash_attention: bool | None, dropout: float) -> bool | None:
    """What the fused operation is told, from the argument and Keras's global setting."""
    if flash_attention and (dropout > 0 or not _HAS_FLASH):
        reason = "has no dropout" if dropout > 0 else "needs a newer Keras"
        raise ValueError(
            f"Flash attention {reason}. Leave `flash_attention` at None. Received: "
            f"flash_attention={flash_attention}, dropout={dropout}, Keras {keras.__version__}"
        )
    if flash_attention is None and _HAS_FLASH:
        return keras.config.is_flash_attention_enabled()
    return flash_attention


def unfold(x: Tensor, shape: Sequence[int], dimension: int) -> Tensor:
    """Split the channels in several axes of whole elements.

    `(..., d*prod(shape))` becomes `(*shape[:-1], d*shape[-1])` at the end: `shape = (heads, n)`
    gives `(..., heads, d*n)`.
    """
    if len(shape) == 1:
        return x
    leading = tuple(ops.shape(x))[:-1]
    if dimension == 1:
        return ops.reshape(x, (*leading, *shape))
    x = ops.reshape(x, (*leading, dimension, *shape))
    return layout.from_axis(ops.moveaxis(x, -len(shape) - 1, -2))


def fold(x: Tensor, rank: int, dimension: int) -> Tensor:
    """Inverse of `unfold`: the last `rank` axes become one, `(..., d*n)`, component-major."""
    if rank == 1:
        return x
    leading = tuple(ops.shape(x))[:-rank]
    size = 1
    for n in x.shape[-rank:]:
        size *= n
    if dimension > 1:
        x = ops.moveaxis(layout.to_axis(x, dimension), -2, -rank - 1)
    return ops.reshape(x, (*leading, size))


def equations(rank: int, axes: Sequence[int]) -> tuple[str, str]:
    """Einsum equations of the scores, from keys and queries, and of the weighted values.

    Args:
        rank: of queries, keys and values with heads, `(batch, *positions, heads, channels)`.
        axes: the attended ones.

    Example:

    >>> equations(4, (1,))
    ('aBcd,abcd->acbB', 'acbB,aBcd->abcd')
    """
    query = string.ascii_lowercase[:rank]
    source = "".join(c.upper() if i in axes else c for i, c in enumerate(query))
    rest = "".join(c for i, c in enumerate(query[:-1]) if i not in axes)
    scores = rest + "".join(query[a] for a in axes) + "".join(source[a] for a in axes)
    return f"{source},{query}->{scores}", f"{scores},{source}->{query}"


def attended_axes(
    axes: Sequence[int] | None, query: tuple, value: tuple, key: tuple
) -> tuple[int, ...]:
    """The attended axes, counted from the front; None is all between batch and channels.

    Args:
        axes: as the user gave them.
        query: shape of the queries, `(batch, *positions, channels)`.
        value: shape of the values.
        key: shape of the keys.

    Raises:
        ValueError: if an axis is none of the positions, or the shapes do not fit together.
    """
    rank = len(query)
    found = tuple(range(1, rank - 1) if axes is None else axes)
    found = tuple(a + rank if a < 0 else a for a in found)
    if not found or not all(0 < a < rank - 1 for a in found) or len(set(found)) < len(found):
        raise ValueError(
            "Attention goes over axes between the batch (0) and the channels (-1), each named "
            f"once; a query of rank {rank} has {max(rank - 2, 0)} of them. "
            f"Received: attention_axes={axes}, query_shape={tuple(query)}"
        )
    fits = len(value) == len(key) == rank and tuple(value[1:-1]) == tuple(key[1:-1])
    others = [i for i in range(1, rank - 1) if i not in found] if fits else []
    if not fits or any(None not in (query[i], value[i]) and query[i] != value[i] for i in others):
        raise ValueError(
            "Expected `value` and `key` of the same positions, and a `query` of the same rank that "
            "differs from them in attended positions and channels only. "
            f"Received: query_shape={tuple(query)}, value_shape={tuple(value)}, "
            f"key_shape={tuple(key)}, attention over the axes {found}"
        )
    return found


def require_one_axis(name: str, axes: Sequence[int]) -> None:
    """Raise for what needs an order of positions, if several axes are attended."""
    if len(axes) > 1:
        raise ValueError(
            f"`{name}` needs an order of positions, so attention over one axis. Choose it with "
            "`attention_axes`, or reshape the positions to one axis. "
            f"Received: attention over the axes {tuple(axes)}"
        )


def mask(
    shapes: tuple[tuple, tuple],
    axes: Sequence[int],
    padding: dict[str, Tensor],
    attention_mask: Tensor | None,
    causal: bool = False,
    window: int | None = None,
) -> Tensor | None:
    """All masks as one that broadcasts to the scores, or None if there are none.

    Args:
        shapes: of queries and values.
        axes: the attended ones.
        padding: masks `(batch, *positions)` by the names of their arguments; "query_mask" is one of
            queries, all others are of keys.
        attention_mask: see `full_mask`.
        causal: whether a position sees none after itself.
        window: a position sees those less than this away, or all.

    Raises:
        ValueError: if a mask has another rank, or an order of positions is missing.
    """
    rank = len(shapes[0])
    pairs = [] if attention_mask is None else [attention_mask]
    sizes = [shape[axes[0]] for shape in shapes]
    if causal:
        require_one_axis("use_causal_mask", axes)
        pairs.append(causal_mask(*sizes))
    if window is not None:
        require_one_axis("sliding_window", axes)
        pairs.append(window_mask(*sizes, window))
    found = [full_mask(pair, rank, axes) for pair in pairs]
    for name, value in padding.items():
        found.append(padding_mask(value, name, rank, axes, name == "query_mask"))
    return functools.reduce(ops.logical_and, found) if found else None


def padding_mask(mask: Tensor, name: str, rank: int, axes: Sequence[int], of_query: bool) -> Tensor:
    """A mask of queries or keys, as one that broadcasts to the scores.

    Args:
        mask: `(batch, *positions)`, False where a position is padding.
        name: of the argument, for the error.
        rank: of the tensor that it belongs to, `(batch, *positions, channels)`.
        axes: the attended ones.
        of_query: whether it masks queries, not keys.

    Raises:
        ValueError: if the mask has another rank.
    """
    if len(mask.shape) != rank - 1:
        raise ValueError(
            f"Expected `{name}` to have an entry for every position, (batch, *positions), which "
            f"is rank {rank - 1} for an input of rank {rank}. "
            f"Received: {name}.shape={tuple(mask.shape)}"
        )
    others = [i for i in range(rank - 1) if i not in axes]
    mask = ops.transpose(ops.cast(mask, "bool"), (*others, *axes))
    heads = len(others)
    first = heads + 1 + (len(axes) if of_query else 0)
    return ops.expand_dims(mask, (heads, *range(first, first + len(axes))))


def full_mask(mask: Tensor, rank: int, axes: Sequence[int]) -> Tensor:
    """A mask of pairs of positions, as one that broadcasts to the scores.

    Args:
        mask: `(*query sizes, *key sizes)`, optionally after batch axes and then heads; a missing
            axis counts as 1.
        rank: of the queries without heads.
        axes: the attended ones.

    Raises:
        ValueError: if the mask has too few axes or too many.
    """
    pairs, whole = 2 * len(axes), rank + len(axes)
    if not pairs <= len(mask.shape) <= whole:
        raise ValueError(
            "Expected `attention_mask` of the shape (batch, query positions, key positions), where "
            f"batch may be missing and heads may stand after it: rank {pairs} to {whole} for "
            f"attention over {len(axes)} of the axes of an input of rank {rank}. "
            f"Received: attention_mask.shape={tuple(mask.shape)}"
        )
    mask = ops.cast(mask, "bool")
    missing = whole - len(mask.shape)
    first = len(mask.shape) - pairs
    return ops.expand_dims(mask, tuple(range(first, first + missing))) if missing else mask


def causal_mask(size: Any, source_size: Any) -> Tensor:
    """`(size, source_size)`, True where the key's position is not after the query's."""
    return _rows(size) >= _columns(source_size)


def window_mask(size: Any, source_size: Any, width: int) -> Tensor:
    """`(size, source_size)`, True where the positions differ by less than `width`."""
    return ops.abs(_rows(size) - _columns(source_size)) < width


def _rows(size: Any) -> Tensor:
    return ops.expand_dims(ops.arange(size, dtype="int32"), -1)


def _columns(size: Any) -> Tensor:
    return ops.expand_dims(ops.arange(size, dtype="int32"), 0)
