"""The shape of the code: the limits it keeps, and that the measures see what they are for."""

import ast

import pytest

from tests.measures import (
    PACKAGES,
    ROOT,
    House,
    arrows,
    broad_excepts,
    circling,
    classes_twice,
    complexity,
    crowd,
    length,
    main,
    modules_twice,
    p90,
    read_house,
)

COMPLEXITY = 10
NAMED_ONCE = ("daemon", "model", "export", "training")
"""Packages that share no name of a module or of a class, among themselves or with each other."""
MODULES_OF_A_FOLDER = 20
BRANCHES = """
def f(x):
    'Not a line of it.'
    try:
        while x:
            match x:
                case 1: pass
                case _: pass
    except ValueError:
        pass
    else:
        return x if x and x else [y for y in x]
"""


@pytest.fixture(scope="module")
def present():
    return read_house(ROOT)


@pytest.fixture
def drawn(tmp_path):
    """A house of a few files."""

    def draw(**files):
        for dotted, text in files.items():
            file = tmp_path / f"{dotted.replace('__', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return read_house(tmp_path)

    return draw


def test_no_module_imports_itself_by_way_of_others(present):
    assert circling(present) == []


def test_no_module_and_no_class_has_the_name_of_another(present):
    of_them = House({one.name: one for package in NAMED_ONCE for one in present.of(package)})
    assert (modules_twice(of_them), classes_twice(of_them)) == ([], [])


def test_no_function_forks_too_often(present):
    assert [f.name for f in present.functions if complexity(f) > COMPLEXITY] == []


@pytest.mark.parametrize("package", ["daemon", "export", "model"])
def test_no_folder_is_crowded(present, package):
    assert crowd(present.of(package))[0] <= MODULES_OF_A_FOLDER


def test_every_package_is_measured(present):
    assert all(len(present.of(package)) > 10 for package in PACKAGES)


def test_a_circle_is_seen_wherever_the_import_stands(drawn):
    house = drawn(
        daemon__a="from daemon import b",
        daemon__b="def f():\n    import daemon.c",
        daemon__c="from daemon.a import x",
        daemon__d="import daemon.a",
    )
    assert circling(house) == ["daemon.a", "daemon.b", "daemon.c"]


def test_names_that_stand_twice_are_seen(drawn):
    house = drawn(
        daemon__one__same="class Twin: ...", daemon__two__same="class Twin: ...\nclass Other: ..."
    )
    assert modules_twice(house) == ["same"]
    assert classes_twice(house) == ["Twin"]


def test_forks_are_counted_as_ruff_does_and_a_docstring_is_no_line():
    [function] = ast.parse(BRANCHES).body
    assert complexity(function) == 5
    assert length(function) == 10


def test_whatever_catches_everything_is_broad(drawn):
    house = drawn(
        daemon__a="try: f()\nexcept ValueError: pass\nexcept (OSError, Exception): pass",
        daemon__b="with suppress(BaseException): f()\nwith suppress(OSError): f()",
    )
    assert broad_excepts(house) == 2


def test_an_arrow_leads_from_one_room_to_another(drawn):
    house = drawn(
        daemon__high__a="import daemon.high.b, daemon.low.c, model.d",
        daemon__high__b="import daemon.low.c",
        daemon__low__c="",
        model__d="",
    )
    assert arrows(house) == [("high", "low")]


def test_nine_tenths_do_not_exceed_p90():
    assert p90(range(1, 11)) == 9
    assert p90([]) == 0


@pytest.mark.long
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout of git")
def test_a_revision_is_compared_with_a_folder(capsys):
    main(["HEAD", str(ROOT)])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == f"| yardstick | HEAD | {ROOT} |"
    assert all(row.count("|") == 4 for row in rows)


def test_an_unknown_revision_is_one_clear_line(capsys):
    with pytest.raises(SystemExit):
        main(["nothing-of-this-name"])
    assert "neither a folder nor a revision" in capsys.readouterr().err
