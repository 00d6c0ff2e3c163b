"""Size and shape of the code: files, functions, arguments, top-level names, layers.

python -m benchmarks.code_shape [--names]

Sizes are those of the code as `ruff format` prints it with no `fmt: skip`, `fmt: off` or `fmt: on`.
Lines of a function exclude its docstring; arguments exclude `self` and `cls`.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

TOP = Path(__file__).parent.parent
PACKAGES = ("advisor", "trainer", "ui")
MARKER = re.compile(r"[ \t]*#[ \t]*fmt:[ \t]*(?:skip|off|on)[ \t]*$", re.MULTILINE)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def formatted(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return path -> text of each file of the product, as formatted."""
    with tempfile.TemporaryDirectory() as folder:
        copied = {}
        for package in packages:
            for path in sorted((TOP / package).rglob("*.py")):
                name = path.relative_to(TOP)
                copied[str(name)] = Path(folder) / name
                copied[str(name)].parent.mkdir(parents=True, exist_ok=True)
                copied[str(name)].write_text(MARKER.sub("", path.read_text()))
        subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                "format",
                "--quiet",
                "--no-cache",
                "--config",
                TOP / "pyproject.toml",
                folder,
            ],
            check=True,
        )
        return {name: copy.read_text() for name, copy in copied.items()}


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method in a file."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def function_lines(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= (function.body[0].end_lineno or 0) - function.body[0].lineno + 1
    return lines


def function_arguments(function: Function) -> int:
    """Named arguments, without `self` and `cls`."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def names_at_top(package: str) -> list[str]:
    """Modules and folders with code directly below a package."""
    return sorted(
        path.stem
        for path in (TOP / package).iterdir()
        if not path.name.startswith("__")
        and (path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py"))))
    )


def layers() -> dict[str, int]:
    """Number of layers of each contract in pyproject.toml."""
    tool = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {
        contract["name"]: len(contract["layers"])
        for contract in tool["contracts"]
        if "layers" in contract
    }


def spread(values: Sequence[int]) -> str:
    """Median, 90th percentile and maximum."""
    ordered = sorted(values)
    p90 = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return f"median {statistics.median(ordered):.0f}, p90 {p90}, max {ordered[-1]}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", action="store_true", help="list the counted names")
    flags = parser.parse_args()
    texts = {name: text for name, text in formatted().items() if text}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    sizes = {name: text.count("\n") for name, text in texts.items()}
    defined = [(name, function) for name, tree in trees.items() for function in functions(tree)]
    longest = max(defined, key=lambda pair: function_lines(pair[1]))
    widest = max(defined, key=lambda pair: function_arguments(pair[1]))
    classes = Counter(
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    repeated = sorted(name for name, count in classes.items() if count > 1)
    markers = sum(
        len(MARKER.findall(path.read_text()))
        for package in PACKAGES
        for path in (TOP / package).rglob("*.py")
    )
    print(f"files                        {len(sizes)}")
    print(f"formatted lines              {sum(sizes.values()):,}")
    for package in PACKAGES:
        lines = [size for name, size in sizes.items() if name.startswith(f"{package}/")]
        print(f"  {package:<26} {len(lines)} files, {sum(lines):,} lines")
    print(f"lines per file               {spread(list(sizes.values()))}")
    print(f"files above 400 lines        {sum(size > 400 for size in sizes.values())}")
    print(f"formatter switched off       {markers} times")
    print(
        f"lines per function           {spread([function_lines(f) for _, f in defined])} "
        f"({longest[1].name}, {longest[0]})"
    )
    print(
        f"arguments per function       {spread([function_arguments(f) for _, f in defined])} "
        f"({widest[1].name}, {widest[0]})"
    )
    for package in PACKAGES:
        names = names_at_top(package)
        print(f"top-level names              {len(names)} {package}")
        if flags.names:
            print("  " + " ".join(names))
    for contract, count in layers().items():
        print(f"layers                       {count} {contract}")
    print(f"class names defined twice    {len(repeated)}")
    if flags.names:
        print("  " + " ".join(f"{name} x{classes[name]}" for name in repeated))


if __name__ == "__main__":
    main()
