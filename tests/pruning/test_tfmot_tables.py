"""The tables of docs/tfmot.md say what the code is; what is different in them has a reason."""

import re
from pathlib import Path

import pytest

from tests.pruning import tfmot_tables as tables

FOLDER = Path(__file__).parent


def test_the_page_has_the_tables_of_the_code():
    page = tables.PAGE.read_text(encoding="utf-8")
    assert page == tables.page_with_tables(page), (
        "The tables of docs/tfmot.md are not those of the code. Way out: "
        "`python -m tests.pruning.tfmot_tables` writes them."
    )
    for name in tables.TABLES:
        assert page.count(f"table: {name} -->") == 2


@pytest.mark.parametrize("name", tables.THEIRS)
def test_arguments_are_theirs_or_the_difference_has_a_reason(name):
    ours = tables.of_ours(name)
    if ours is None or tables.written(ours) != tables.THEIRS[name]:
        assert tables.DIFFERENT.get(name)
    if ours is not None and name != "PruningSchedule":
        assert tables.written(ours) == tables.THEIRS[name]


def test_reasons_are_of_names_that_exist():
    assert {*tables.DIFFERENT, *tables.OURS} <= set(tables.THEIRS)


def test_every_case_has_a_test_of_ours_or_a_reason():
    for case in tables.CASES:
        file, _, name = case.ours.partition("::")
        if not file:
            assert case.different
            continue
        text = (FOLDER / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), case
    own = (FOLDER / "test_tfmot_cases.py").read_text(encoding="utf-8")
    listed = {case.ours.partition("::")[2] for case in tables.CASES}
    assert set(re.findall(r"^def (test_\w+)\(", own, re.MULTILINE)) <= listed
