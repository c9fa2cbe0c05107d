#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Renders the documentation into build/docs: the references of the C and C++ headers (Doxygen), of the Rust crates
(rustdoc) and of the Python package (pdoc), the guides in docs/, and an index. Any warning, and any dead link between
the pages made here, is an error."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SITE = REPOSITORY / "docs" / "site"
PYTHON_MODULES = ["raftcore", "raftcore.aio", "raftcore.sqlite"]  # and those that raftcore itself names
LINK = re.compile(r'(?:href|src)="([^"#:]+)(?:#[^"]*)?"')


def say(text: str) -> None:
    print(f"docs: {text}", flush=True)


def fail(text: str) -> None:
    sys.exit(f"docs: {text}")


def run(command: list[str | Path], **variables: str) -> None:
    result = subprocess.run(command, cwd=REPOSITORY, env=os.environ | variables, check=False)
    if result.returncode != 0:
        fail(f"failed: {' '.join(map(str, command))}")


def doxygen(settings: Path, more: list[str], first_page: Path) -> None:
    if shutil.which("doxygen") is None:
        fail("doxygen is missing: scripts/setup.sh --docs")
    text = "\n".join([settings.read_text(), *more, ""])
    result = subprocess.run(["doxygen", "-"], cwd=REPOSITORY, input=text, text=True, check=False)
    if result.returncode != 0 or not first_page.is_file():
        fail(f"Doxygen has found something wrong, or has not made {first_page}")


def render_c(output: Path) -> None:
    """The pages of C++ link to those of C."""
    with tempfile.TemporaryDirectory() as work:
        tags, place = f"{work}/c.tag", f"OUTPUT_DIRECTORY = {output}"
        doxygen(SITE / "Doxyfile", [place, f"GENERATE_TAGFILE = {tags}"], output / "c" / "raftcore_8h.html")
        doxygen(SITE / "Doxyfile.cpp", [place, f"TAGFILES = {tags}=../c"], output / "cpp" / "raftcore_8hpp.html")


def render_rust(output: Path) -> None:
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    command = ["cargo", "doc", "--quiet", "--no-deps", "--locked", "-p", "raftcore", "-p", "raftcore-ffi"]
    run(command, RUSTDOCFLAGS="-D warnings")
    shutil.copytree(target / "doc", output / "rust")


def render_python(output: Path) -> None:
    run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pdoc",
            "-d",
            "restructuredtext",
            "-o",
            output / "python",
            *PYTHON_MODULES,
        ]
    )


def page(title: str, markdown: str) -> str:
    """A guide as HTML. Links to files of the repository that are no pages here become plain text."""
    import markdown2  # here: --help works without it

    markdown = re.sub(r"\[([^]]*)\]\(\.\./[^)]*\)", r"\1", markdown)
    markdown = re.sub(r"(\]\((?:protocol/)?[^):/]*)\.md([)#])", r"\1.html\2", markdown)
    markdown = re.sub(r"^```(\w+) \S+$", r"```\1", markdown, flags=re.MULTILINE)
    body = markdown2.markdown(markdown, extras=["fenced-code-blocks", "tables", "header-ids"])
    return (SITE / "page.html").read_text().replace("@TITLE@", title).replace("@BODY@", body)


def render_guides(output: Path) -> None:
    guides = []
    (output / "protocol").mkdir(exist_ok=True)
    for source in [*sorted((REPOSITORY / "docs").glob("*.md")), *sorted((REPOSITORY / "docs/protocol").glob("*.md"))]:
        text = source.read_text()
        title = text.splitlines()[0].removeprefix("# ")
        made = source.relative_to(REPOSITORY / "docs").with_suffix(".html")
        (output / made).write_text(page(title, text))
        guides.append(f"- [{title}]({made})")
    for picture in [*(REPOSITORY / "docs").glob("**/*.svg"), *(REPOSITORY / "docs").glob("**/*.png")]:
        copy = output / picture.relative_to(REPOSITORY / "docs")
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(picture, copy)
    index = (SITE / "index.md").read_text().replace("@GUIDES@", "\n".join(guides))
    (output / "index.html").write_text(page("Documentation", index))


def check_links(output: Path) -> None:
    for made in [*output.glob("*.html"), *output.glob("protocol/*.html")]:
        for target in LINK.findall(made.read_text()):
            if not (made.parent / target).exists():
                fail(f"{made.name} links to {target}, which is not there")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "docs", help="default: build/docs")
    output = parser.parse_args().output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    parts = {"C and C++": render_c, "Rust": render_rust, "Python": render_python, "guides": render_guides}
    for name, render in parts.items():
        say(name)
        render(output)
    check_links(output)
    say(f"written: {output / 'index.html'}")


if __name__ == "__main__":
    main()
