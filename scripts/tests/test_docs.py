# SPDX-License-Identifier: Apache-2.0
"""What the guides name is there, and the headers can be rendered."""

import re
import shutil
from pathlib import Path

import pytest

import docs
import readme_figures

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDES = [
    REPOSITORY / "README.md",
    REPOSITORY / "python/README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "SECURITY.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "docs/protocol").glob("*.md")),
]
FOLDERS = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")}
MADE = {"build", "target"}  # what is named there comes and goes


def prose(guide):
    """The text without blocks of code."""
    return re.sub(r"^```.*?^```", "", guide.read_text(), flags=re.MULTILINE | re.DOTALL)


def named_paths(text):
    """Paths from the top of the repository, between backticks."""
    for name in re.findall(r"`([\w.-]+(?:/[\w.-]+)+)/?`", text):
        if name.split("/")[0] in FOLDERS - MADE:
            yield name


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_links_and_paths_lead_somewhere(guide):
    text = prose(guide)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (guide.parent / link).exists()]
    missing += [name for name in named_paths(text) if not (REPOSITORY / name).exists()]
    assert missing == []


def test_the_table_of_messages_has_those_of_the_core_with_their_fields():
    source = (REPOSITORY / "core/src/message.rs").read_text()
    kinds = re.findall(r"^    (\w+)(?:\(.*\))?,$", re.search(r"pub enum Body \{(.*?)^\}", source, re.M | re.S)[1], re.M)
    structs = {
        name: re.findall(r"^    pub (\w+):", body, re.M)
        for name, body in re.findall(r"^pub struct (\w+) \{(.*?)^\}", source, re.M | re.S)
    }
    table = {}
    for line in re.findall(r"^\| (`.*)\|$", (REPOSITORY / "docs/protocol/messages.md").read_text(), re.M):
        cells = line.split(" | ")
        table[cells[0].strip("`")] = re.findall(r"`(\w+)`", cells[-1])
    assert len(kinds) == 12
    assert table == {kind: structs.get(kind, []) for kind in kinds}


def code_map(text):
    """The files that the map of the core names, with {a,b} written out."""
    table = re.search(r"^## The core, room by room$(.*?)^## ", text, re.MULTILINE | re.DOTALL)[1]
    for first in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", first):
            before, *rest = re.split(r"\{(.*)\}", name)
            yield from [before + choice + rest[1] for choice in rest[0].split(",")] if rest else [name]


def test_the_code_map_names_what_is_there():
    names = list(code_map((REPOSITORY / "docs/architecture.md").read_text()))
    assert len(names) > 30
    assert [name for name in names if not (REPOSITORY / "core/src" / name).exists()] == []


def test_a_path_of_the_code_map_is_written_out():
    text = "## The core, room by room\n\n| file |\n|---|\n| `a/{b,c}.rs`, `d/` | what |\n\n## Next\n"
    assert list(code_map(text)) == ["a/b.rs", "a/c.rs", "d/"]


def test_a_dead_path_would_be_noticed():
    assert list(named_paths("`docs/abi.md` and `docs/nothing.md`, `build/lib`, `a/b`")) == [
        "docs/abi.md",
        "docs/nothing.md",
    ]


def test_targets_that_are_named_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", makefile, re.MULTILINE))
    targets = {target for line in targets for target in line.split()}
    for guide in GUIDES:
        named = set(re.findall(r"`make ([a-z-]+)", guide.read_text()))
        assert named - targets == set(), guide.name


def test_the_readme_has_the_figures_of_the_benchmarks():
    readme, document = readme_figures.README.read_text(), readme_figures.SOURCE.read_text()
    assert readme_figures.renewed(readme, document) == readme
    assert readme_figures.renewed(readme, document.replace("| 3 nodes, batch 1 | ", "| 3 nodes, batch 1 | 7")) != readme


@pytest.mark.skipif(shutil.which("doxygen") is None, reason="doxygen is not installed (scripts/setup.sh --docs)")
def test_the_headers_are_documented_without_a_warning(tmp_path, capfd):
    docs.render_c(tmp_path)
    assert capfd.readouterr().err == ""
    node = (tmp_path / "cpp" / "classraftcore_1_1Node.html").read_text()
    assert 'href="../c/raftcore_8h.html' in node, "the pages of C++ link to those of C"


def test_the_guides_link_to_what_is_there(tmp_path):
    pytest.importorskip("markdown2", reason="markdown2 is not installed (scripts/setup.sh --docs)")
    for page in ("c/index.html", "cpp/index.html", "python/index.html", "rust/raftcore/index.html"):
        (tmp_path / page).parent.mkdir(parents=True)
        (tmp_path / page).touch()
    docs.render_guides(tmp_path)
    docs.check_links(tmp_path)
    (tmp_path / "more.html").write_text('<img src="nowhere.svg">')
    with pytest.raises(SystemExit, match=r"nowhere\.svg"):
        docs.check_links(tmp_path)
