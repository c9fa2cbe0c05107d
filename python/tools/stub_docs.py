# SPDX-License-Identifier: Apache-2.0
"""Writes the docstrings of the built module into its type stub, or checks that they are there.

The docstrings have one source, the Rust code; editors and type checkers read them in the stub.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import textwrap
from pathlib import Path

import raftcore._raftcore

STUB = Path(__file__).parents[1] / "raftcore" / "_raftcore.pyi"

Documented = ast.ClassDef | ast.FunctionDef


def runtime_doc(owner: object, name: str) -> str | None:
    """The docstring that the module itself gives `name`; None for what every object has."""
    if name.startswith("__"):
        return None
    doc = getattr(owner, name).__doc__
    return inspect.cleandoc(doc) if doc else None


def documented(tree: ast.Module) -> list[tuple[Documented, str | None]]:
    """Every class, function and method of the stub, with the docstring that it should have."""
    module = raftcore._raftcore
    found: list[tuple[Documented, str | None]] = []
    for node in tree.body:
        if isinstance(node, Documented):
            found.append((node, runtime_doc(module, node.name)))
        if isinstance(node, ast.ClassDef):
            owner = getattr(module, node.name)
            methods = (item for item in node.body if isinstance(item, ast.FunctionDef))
            found += [(item, runtime_doc(owner, item.name)) for item in methods]
    return found


def differences(text: str) -> list[str]:
    """What in the stub says something else than the module."""
    return [
        f"{node.name} (line {node.lineno})"
        for node, doc in documented(ast.parse(text))
        if ast.get_docstring(node) != doc
    ]


def literal(doc: str, indent: str) -> str:
    """A docstring as source text."""
    lines = doc.replace("\\", "\\\\").splitlines()
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""'
    return textwrap.indent('"""' + "\n".join(lines) + '\n"""', indent)


def with_docs(text: str) -> str:
    """The stub with the module's docstrings in place of its own."""
    lines = text.splitlines()
    for node, doc in sorted(documented(ast.parse(text)), key=lambda item: -item[0].lineno):
        first = node.body[0]
        assert first.end_lineno is not None
        new = [] if doc is None else [literal(doc, " " * (node.col_offset + 4))]
        if ast.get_docstring(node, clean=False) is not None:
            lines[first.lineno - 1 : first.end_lineno] = new
        elif new and isinstance(node, ast.ClassDef):
            lines[node.lineno : node.lineno] = new
        elif new:
            line = lines[first.lineno - 1]
            lines[first.lineno - 1] = line[: first.col_offset].rstrip()
            lines[first.lineno : first.lineno] = new
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if it is stale")
    arguments = parser.parse_args()
    text = STUB.read_text()
    stale = differences(text)
    if stale and not arguments.check:
        STUB.write_text(with_docs(text))
    elif stale:
        print(f"{STUB}: stale docstrings: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
