"""Measure the shape of the code, and compare revisions: a Markdown table on standard output.

::

    python -m tests.measures                 the working tree
    python -m tests.measures v0.1.0 HEAD     two revisions side by side
    python -m tests.measures --list          also the names used twice and the modules in cycles

Everything is read from the syntax tree, nothing is imported. Migrations are left out: they are
frozen.
"""

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("daemon", "model", "training", "export")
_BROAD = {"Exception", "BaseException"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, its place below the root, and its syntax tree."""

    name: str
    file: Path
    lines: int
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether it is the ``__init__`` of a folder."""
        return self.file.stem == "__init__"


@dataclass(frozen=True)
class House:
    """The modules of one tree, by dotted name."""

    modules: Mapping[str, Module]

    def of(self, package: str) -> list[Module]:
        """Return the modules of one package."""
        return [one for one in self.modules.values() if one.file.parts[0] == package]

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones too."""
        trees = (module.tree for module in self.modules.values())
        return [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Which modules of the house each module imports, wherever the statement stands."""
        return {name: set(self._imported(module)) for name, module in self.modules.items()}

    def _imported(self, module: Module) -> Iterator[str]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                named = [one if one in self.modules else str(node.module) for one in inner]
            else:
                continue
            yield from (one for one in named if one in self.modules and one != module.name)


def read_house(root: Path) -> House:
    """Parse the four packages below a folder."""
    modules: dict[str, Module] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            file = path.relative_to(root)
            if "migrations" in file.parts:
                continue
            name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
            text = path.read_text(encoding="utf-8")
            modules[name] = Module(name, file, len(text.splitlines()), ast.parse(text))
    return House(modules)


@contextmanager
def tree_of(revision: str) -> Iterator[Path]:
    """Give a folder that holds the Python files of a git revision, or the folder of that name."""
    if Path(revision).is_dir():
        yield Path(revision)
        return
    command = ["git", "archive", "--format=tar", revision, "--", "*.py"]
    packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
        yield Path(folder)


def length(function: Function) -> int:
    """Return the lines of a function from ``def`` to its end, without its docstring."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return whole
    docstring = function.body[0]
    return whole - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def complexity(node: ast.AST) -> int:
    """Return the cyclomatic complexity as ruff's C901 counts it."""
    return 1 + _branches(node)


def _branches(node: ast.AST) -> int:
    """Count what forks below a node; a nested function adds itself, as a call that may be made."""
    own = 0
    for inner in ast.iter_child_nodes(node):
        forks = isinstance(
            inner, ast.If | ast.For | ast.AsyncFor | ast.While | ast.ExceptHandler | Function
        )
        own += forks + _branches(inner)
        if isinstance(inner, ast.Try) and inner.orelse:
            own += 1
        if isinstance(inner, ast.Match):
            own += len(inner.cases) - _takes_all(inner.cases[-1])
    return own


def _takes_all(case: ast.match_case) -> bool:
    pattern = case.pattern
    return case.guard is None and isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def is_broad(node: ast.AST) -> bool:
    """Whether a node catches every exception, by ``except`` or by ``suppress``."""
    if isinstance(node, ast.ExceptHandler):
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        return any(kind is None or _name(kind) in _BROAD for kind in kinds)
    suppresses = isinstance(node, ast.Call) and _name(node.func) == "suppress"
    return suppresses and any(_name(kind) in _BROAD for kind in node.args)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def broad_excepts(house: House) -> int:
    """Count what catches every exception."""
    trees = (module.tree for module in house.modules.values())
    return sum(is_broad(node) for tree in trees for node in ast.walk(tree))


def modules_twice(house: House) -> list[str]:
    """Return the file names that several modules have."""
    return _twice(one.file.stem for one in house.modules.values() if "__" not in one.file.stem)


def classes_twice(house: House) -> list[str]:
    """Return the names that several classes have."""
    trees = (module.tree for module in house.modules.values())
    nodes = (node for tree in trees for node in ast.walk(tree))
    return _twice(node.name for node in nodes if isinstance(node, ast.ClassDef))


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


def circling(house: House) -> list[str]:
    """Return the modules that import themselves by way of others."""
    return sorted(name for name in house.modules if name in _reached(house.imports, name))


def _reached(imports: Mapping[str, set[str]], start: str) -> set[str]:
    """Return every module on some way of imports that begins at `start`."""
    reached: set[str] = set()
    following = list(imports[start])
    while following:
        name = following.pop()
        if name not in reached:
            reached.add(name)
            following += imports[name]
    return reached


def crowd(modules: Iterable[Module]) -> tuple[int, str]:
    """Return how many modules the fullest folder holds, its ``__init__`` not counted, and which."""
    folders = Counter(str(one.file.parent) for one in modules if not one.is_package)
    return max(((count, folder) for folder, count in folders.items()), default=(0, ""))


def arrows(house: House) -> list[tuple[str, str]]:
    """Return each pair of rooms of the daemon of which the first imports the second."""
    pairs = {
        (importer.split(".")[1], imported.split(".")[1])
        for importer, targets in house.imports.items()
        for imported in targets
        if importer.startswith("daemon.") and imported.startswith("daemon.")
    }
    return sorted(pair for pair in pairs if pair[0] != pair[1])


def p90(numbers: Iterable[int]) -> int:
    """Return the smallest number that nine tenths do not exceed; 0 where there is none."""
    ordered = sorted(numbers)
    return ordered[ceil(len(ordered) * 0.9) - 1] if ordered else 0


def _worst(numbers: Iterable[int]) -> int:
    return max(numbers, default=0)


def _size(package: str) -> Callable[[House], str]:
    def size(house: House) -> str:
        modules = house.of(package)
        return f"{len(modules)} / {sum(module.lines for module in modules):,}"

    return size


def _pair(count: Callable[[Function], int]) -> Callable[[House], str]:
    def pair(house: House) -> str:
        numbers = [count(function) for function in house.functions]
        return f"{p90(numbers)} / {_worst(numbers)}"

    return pair


def _crowd(house: House) -> str:
    count, folder = crowd(house.modules.values())
    return f"{count} ({folder})"


def _longest(house: House) -> str:
    return str(_worst(module.lines for module in house.modules.values()))


ROWS: dict[str, Callable[[House], str]] = {
    **{f"{package}: files / lines": _size(package) for package in PACKAGES},
    "lines of the longest file": _longest,
    "most modules in a folder": _crowd,
    "module names used twice": lambda house: str(len(modules_twice(house))),
    "class names used twice": lambda house: str(len(classes_twice(house))),
    "modules in import cycles": lambda house: str(len(circling(house))),
    "lines of a function, docstring off: p90 / most": _pair(length),
    "complexity (C901): p90 / worst": _pair(complexity),
    "broad excepts": lambda house: str(broad_excepts(house)),
    "arrows between the rooms of daemon": lambda house: str(len(arrows(house))),
}


def table(houses: Mapping[str, House]) -> Iterator[str]:
    """Yield the lines of the table: a row for each yardstick, a column for each tree."""
    yield f"| yardstick | {' | '.join(houses)} |"
    yield "|---" * (len(houses) + 1) + "|"
    for yardstick, measure in ROWS.items():
        yield f"| {yardstick} | {' | '.join(map(measure, houses.values()))} |"


def names(house: House) -> Iterator[str]:
    """Yield what stands behind the counts of names and of cycles, a line for each kind."""
    yield f"module names used twice: {', '.join(modules_twice(house)) or 'none'}"
    yield f"class names used twice: {', '.join(classes_twice(house)) or 'none'}"
    yield f"modules in import cycles: {', '.join(circling(house)) or 'none'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="tests.measures", description=__doc__.splitlines()[0])
    parser.add_argument("trees", nargs="*", help="git revisions or folders", metavar="TREE")
    parser.add_argument("--list", action="store_true", help="also name what is counted")
    asked = parser.parse_args(arguments)
    houses = {}
    for tree in asked.trees:
        try:
            with tree_of(tree) as folder:
                houses[tree] = read_house(folder)
        except subprocess.CalledProcessError:
            parser.error(f"{tree} is neither a folder nor a revision that git knows here")
    houses = houses or {"working tree": read_house(ROOT)}
    print(*table(houses), sep="\n")
    if asked.list:
        for tree, house in houses.items():
            print("", f"{tree}:", *names(house), sep="\n")


if __name__ == "__main__":
    main()
