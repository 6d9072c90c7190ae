"""The tables of docs/tfmot.md: TF-MOT's names beside ours, and its tests beside ours.

`python -m tests.pruning.tfmot_tables` writes them into the page.
"""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_phase import pruning

PAGE = Path(__file__).parents[2] / "docs" / "tfmot.md"

# All of `tfmot.sparsity.keras` 0.8, and the wrapper that it does not export: name, arguments.
THEIRS = {
    "prune_low_magnitude": (
        "to_prune, pruning_schedule=ConstantSparsity(0.5, 0), block_size=(1, 1), "
        "block_pooling_type='AVG', pruning_policy=None, sparsity_m_by_n=None, **kwargs"
    ),
    "strip_pruning": "model",
    "prune_scope": "",
    "UpdatePruningStep": "",
    "PruningSummaries": "log_dir, update_freq='epoch', **kwargs",
    "PruningSchedule": "",
    "PruningSchedule.__call__": "step",
    "PruningSchedule.get_config": "",
    "PruningSchedule.from_config": "config",
    "ConstantSparsity": "target_sparsity, begin_step, end_step=-1, frequency=100",
    "PolynomialDecay": (
        "initial_sparsity, final_sparsity, begin_step, end_step, power=3, frequency=100"
    ),
    "PrunableLayer": "",
    "PrunableLayer.get_prunable_weights": "",
    "PruningPolicy": "",
    "PruningPolicy.allow_pruning": "layer",
    "PruningPolicy.ensure_model_supports_pruning": "model",
    "PruneForLatencyOnXNNPack": "",
    "PruneLowMagnitude": (
        "layer, pruning_schedule=ConstantSparsity(0.5, 0), block_size=(1, 1), "
        "block_pooling_type='AVG', sparsity_m_by_n=None, **kwargs"
    ),
}
# Ours, where it has another name; None for what is not there.
OURS = {
    "prune_scope": "pruning_scope",
    "PruningSchedule": "Schedule",
    "PruningSchedule.__call__": "Schedule.__call__",
    "PruningSchedule.get_config": "Schedule.get_config",
    "PruningSchedule.from_config": "Schedule.from_config",
    "PruneForLatencyOnXNNPack": None,
}
# What is different, and why.
DIFFERENT = {
    "prune_low_magnitude": "also subclassed models (in place: they cannot be cloned), every layer "
    "with a kernel (no registry of known ones) and any criterion; layers without weights are not "
    "wrapped; newer versions of Keras compile the clone as the model was, with a new optimizer",
    "strip_pruning": "also a layer; the pruning of the wrapped model ends, since both share layers",
    "prune_scope": "not needed, since everything is registered",
    "UpdatePruningStep": "chooses the masks itself, on the host, so that the model needs no "
    "operations for it; with `steps_per_execution` they change before an execution only",
    "PruningSummaries": "the threshold is the smallest modulus that is kept; TF-MOT's is of its "
    "last update",
    "PruningSchedule": "takes when masks are updated, so that a schedule of one's own need say "
    "only how much; any callable will do",
    "PruningSchedule.__call__": "numbers give plain numbers, tensors give tensors",
    "PruningSchedule.get_config": "a registered name, so that a file is read without a scope",
    "PruningSchedule.from_config": "takes TF-MOT's nested config too",
    "ConstantSparsity": "a fraction of 1.0 prunes all, which phase pruning needs",
    "PolynomialDecay": "a fraction of 1.0 prunes all, which phase pruning needs",
    "PrunableLayer.get_prunable_weights": "the method alone is enough, as there",
    "PruneForLatencyOnXNNPack": "not there: its rules are those of one runtime, and a "
    "`PruningPolicy` of one's own says the same",
    "PruneLowMagnitude": "exported; masks of bool, the step a plain number, both saved with the "
    "model; `sparsity_m_by_n` is in the config",
}


@dataclass(frozen=True)
class Case:
    """Some tests of TF-MOT, what they look at, our tests of it, and what is different here."""

    theirs: str
    about: str
    ours: str
    different: str = ""


_V, _C, _S = "test_vocabulary.py::", "test_tfmot_cases.py::", "test_schedules.py::"
_G, _T = "test_granularity.py::", "test_state.py::"
CASES = [
    Case(
        "prune",
        "a layer that can be pruned is wrapped with its arguments",
        _C + "test_layers_alone",
    ),
    Case(
        "prune",
        "a layer without weights",
        _V + "test_errors",
        "an error for the layer alone (nothing would happen); in a list or model it stays",
    ),
    Case(
        "prune, prune_registry",
        "stock and own layers that it does not know are refused",
        _C + "test_more_layers_reach_half",
        "they are pruned: kernels are found without a list of known layers",
    ),
    Case(
        "prune, pruning_wrapper",
        "own layers that name their weights",
        _V + "test_layers_choose_their_weights",
    ),
    Case(
        "prune", "lists, and layers that are wrapped already", _V + "test_lists_and_wrapped_layers"
    ),
    Case("prune", "sequential models, built and not", _V + "test_an_unbuilt_model"),
    Case(
        "prune",
        "built stays built, also in a config",
        _C + "test_models_that_are_not_built_stay_so",
    ),
    Case(
        "prune",
        "functional models with two inputs",
        _C + "test_two_inputs",
        "`Add` is not wrapped, as it has no weights",
    ),
    Case("prune", "a layer used twice, models in models", _V + "test_nested_and_shared_layers"),
    Case(
        "prune",
        "subclassed models are refused",
        _V + "test_subclassed_models_are_pruned_in_place",
        "they are pruned in place",
    ),
    Case("prune", "other objects are refused", _V + "test_errors", "a `TypeError`"),
    Case("prune", "predicting and evaluating need no callback", _C + "test_pretrained_models"),
    Case(
        "prune",
        "strip: nothing is wrapped, the config is the old one",
        _C + "test_stripped_models_have_the_old_config",
        "Keras renames an `Input` that has no name when it clones a functional model",
    ),
    Case(
        "prune",
        "prune_scope and saved models",
        _V + "test_masks_and_steps_come_back",
        "no scope is needed; `.keras` and `.weights.h5`, since Keras 3 writes no TF checkpoints "
        "by `save_weights`",
    ),
    Case("pruning_wrapper", "pooling types", _C + "test_layers_alone"),
    Case(
        "pruning_wrapper",
        "one mask a weight, configs come back",
        _C + "test_configs_of_whole_models_come_back",
    ),
    Case("pruning_wrapper", "the wrapper's name", _C + "test_layers_alone"),
    Case(
        "pruning_wrapper", "all wrappers of a model are found", _V + "test_nested_and_shared_layers"
    ),
    Case(
        "pruning_wrapper",
        "kernels of rank 5 are not pruned by patterns",
        _C + "test_patterns_in_layers",
        "they are: a pattern runs along the inputs at any rank",
    ),
    Case(
        "pruning_schedule",
        "arguments that make no sense",
        _S + "test_senseless_schedules_are_refused",
        "a fraction of 1.0 is allowed",
    ),
    Case(
        "pruning_schedule",
        "begin, end and frequency; no end",
        _S + "test_constant_is_due_every_frequency_steps",
    ),
    Case(
        "pruning_schedule",
        "the polynomial",
        _S + "test_decay_is_the_polynomial_of_the_remaining_time",
    ),
    Case(
        "pruning_schedule",
        "configs",
        _S + "test_schedules_carry_their_criterion_and_survive_serialization",
    ),
    Case(
        "pruning_policy",
        "a policy chooses layers and refuses models",
        _V + "test_a_policy_chooses_layers",
    ),
    Case(
        "pruning_policy",
        "the eleven cases of `PruneForLatencyOnXNNPack`",
        "",
        "that policy is not there (see above)",
    ),
    Case(
        "pruning_callbacks",
        "steps are counted, none in inference",
        _C + "test_steps_are_counted_over_epochs",
    ),
    Case("pruning_callbacks", "summaries are written", _C + "test_summaries_are_written"),
    Case(
        "pruning_callbacks", "a training loop of one's own", _V + "test_a_training_loop_of_ones_own"
    ),
    Case(
        "pruning_callbacks",
        "training without the callback",
        _V + "test_training_without_the_callback_is_an_error",
    ),
    Case("pruning_callbacks", "a senseless folder", _C + "test_summaries_want_a_folder"),
    Case(
        "pruning_impl",
        "one weight is kept; half; a threshold between numbers",
        _C + "test_so_many_of_the_largest_are_kept",
    ),
    Case(
        "pruning_impl", "blocks by mean and maximum", _C + "test_blocks_go_by_their_pooled_modulus"
    ),
    Case(
        "pruning_impl",
        "blocks in kernels of higher rank are refused",
        _G + "test_blocks_are_means_over_rectangles",
        "they are pruned, in the last two axes",
    ),
    Case(
        "pruning_impl",
        "a schedule that is a function",
        _C + "test_a_table_of_fractions_is_followed",
    ),
    Case(
        "pruning_impl, pruning_utils",
        "m:n masks, also of incomplete runs",
        _C + "test_patterns_run_along_the_inputs",
        "the rest at the end loses as much in proportion; TF-MOT fills it with zeros first",
    ),
    Case(
        "pruning_impl, pruning_utils",
        "m:n for kernels of rank 1 or 3 is refused",
        _C + "test_patterns_in_layers",
        "rank 3 (`Conv1D`) and 5 have an axis of inputs too",
    ),
    Case("pruning_utils", "m of m and more", _C + "test_patterns_that_keep_nothing_are_refused"),
    Case(
        "pruning_utils",
        "pooling and its inverse by a faster route",
        _C + "test_pooling_equals_that_of_tensorflow",
    ),
    Case(
        "pruning_utils",
        "is a weight pruned m:n; rearranged weights and masks",
        _C + "test_patterns_in_layers",
        "helpers that users of TF-MOT do not see",
    ),
    Case("prune_integration", "a fraction of zero", _C + "test_a_fraction_of_zero_changes_nothing"),
    Case("prune_integration", "a fraction near one", _C + "test_one_weight_at_least_is_kept"),
    Case(
        "prune_integration",
        "pretrained: no optimizer, same weights, same outputs",
        _C + "test_pretrained_models",
        "newer versions of Keras give the clone a new optimizer",
    ),
    Case(
        "prune_integration",
        "plain weights loaded before and after the wrapping",
        _C + "test_weights_of_a_plain_model_go_in_before_the_wrapping",
        "after it, always an error; TF-MOT is silent with TF checkpoints",
    ),
    Case(
        "prune_integration",
        "single layers reach their fraction",
        _V + "test_half_of_every_layer_is_exactly_zero",
        "transposed convolutions and depthwise kernels too; Keras 3 has no `LocallyConnected`",
    ),
    Case(
        "prune_integration, prune_registry",
        "recurrent layers, several cells, own cells",
        _C + "test_more_layers_reach_half",
        "an own cell need not name its weights",
    ),
    Case("prune_integration", "an embedding", _C + "test_an_embedding_before_other_layers"),
    Case("prune_integration", "attention", _V + "test_attention_in_a_functional_model"),
    Case(
        "prune_integration",
        "m:n in supported layers",
        _C + "test_patterns_in_layers",
        "a depthwise pattern runs along the window, which is what its outputs sum over",
    ),
    Case(
        "prune_integration",
        "m:n in a layer made of layers is refused",
        _C + "test_patterns_in_layers",
        "it is pruned",
    ),
    Case(
        "prune_integration",
        "an image classifier as list, sequential and functional",
        _C + "test_image_classifiers_reach_half",
    ),
    Case(
        "prune_integration",
        "checkpoints within an epoch are not sparse",
        _C + "test_checkpoints_are_pruned_except_before_an_update",
        "they are, except of the step just before a mask update",
    ),
    Case(
        "prune_integration",
        "stopped, saved and gone on with; past the schedule's end",
        _C + "test_stopped_saved_and_gone_on_with",
    ),
    Case(
        "prune_integration",
        "the same in a killed process (not among TF-MOT's)",
        _T + "test_killed_and_resumed_ends_as_the_uninterrupted_run",
    ),
    Case(
        "prune_distributed", "in a strategy, and reloaded", _C + "test_in_a_strategy_and_reloaded"
    ),
]


def of_ours(name: str) -> Any:
    """Our object for a name of TF-MOT, None if there is none."""
    found: Any = pruning
    ours = OURS.get(name, name)
    for part in (ours or "").split("."):
        found = getattr(found, part) if part else None
    return found


def arguments(value: Any) -> list[tuple[str, str]]:
    """Name and default of every argument that can be given by position, and `**kwargs`."""
    if inspect.isclass(value) and value.__init__ is object.__init__:
        return []
    found = []
    for p in inspect.signature(value).parameters.values():
        if p.kind is p.KEYWORD_ONLY or p.name == "self":
            continue
        star = "**" if p.kind is p.VAR_KEYWORD else ""
        found.append((star + p.name, "" if p.default is p.empty else _plain(p.default)))
    return found


def keyword_only(value: Any) -> list[str]:
    """Names of the arguments that are ours alone."""
    if inspect.isclass(value) and value.__init__ is object.__init__:
        return []
    parameters = inspect.signature(value).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def _plain(default: Any) -> str:
    if isinstance(default, pruning.ConstantSparsity):
        return f"ConstantSparsity({default.target_sparsity}, {default.begin_step})"
    return repr(default)


def written(value: Any) -> str:
    """Arguments as in `THEIRS`."""
    return ", ".join(f"{n}={d}" if d else n for n, d in arguments(value))


def names_table() -> str:
    """TF-MOT's names, ours, and what is different."""
    lines = ["| TF-MOT | here | arguments | what is different, and why |", "|---|---|---|---|"]
    for name, theirs in THEIRS.items():
        ours = of_ours(name)
        label = "the same name" if name not in OURS else f"`{OURS[name]}`"
        same = "the same" if ours and written(ours) == theirs else "different"
        more = keyword_only(ours) if ours else []
        more = f", and {', '.join(f'`{n}`' for n in more)}" if more else ""
        lines.append(
            f"| `{name}({theirs})` | {label if ours else '-'} | {same + more if ours else '-'} "
            f"| {DIFFERENT.get(name, '')} |"
        )
    return "\n".join(lines)


def cases_table() -> str:
    """TF-MOT's tests, ours, and what is different."""
    lines = ["| TF-MOT's test of | what it looks at | our test | what is different |"]
    lines.append("|---|---|---|---|")
    for case in CASES:
        file, _, name = case.ours.partition("::")
        ours = f"{file[:-3]}: `{name}`" if name else "-"
        lines.append(f"| {case.theirs} | {case.about} | {ours} | {case.different} |")
    return "\n".join(lines)


TABLES = {"names": names_table, "cases": cases_table}


def page_with_tables(text: str) -> str:
    """The page, with its tables made anew between their markers."""
    for name, table in TABLES.items():
        begin, end = f"<!-- table: {name} -->\n", f"\n<!-- end of table: {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = before + begin + table() + end + after
    return text


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
