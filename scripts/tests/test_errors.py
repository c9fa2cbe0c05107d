# SPDX-License-Identifier: Apache-2.0
"""The error catalogue has every code, with the names that the code uses."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CATALOGUE = (REPOSITORY / "docs/errors.md").read_text()
HEADER = (REPOSITORY / "include/raftcore.h").read_text()
COLUMNS = ("code", "value", "cause", "what to do", "Rust", "Python", "Go")


def rows(text):
    """The rows of the catalogue's tables, by code."""
    found = {}
    for line in re.findall(r"^\| (`RAFT_ERR_.*) \|$", text, re.MULTILINE):
        row = dict(zip(COLUMNS, (cell.strip().strip("`") for cell in line.split(" | ")), strict=True))
        assert row["code"] not in found, f"{row['code']} is there twice"
        found[row["code"]] = row
    return found


def codes(header):
    """What the header defines, with its values."""
    return dict(re.findall(r"^#define (RAFT_ERR_\w+) \((-\d+)\)", header, re.MULTILINE))


def named(column):
    return {code: row[column] for code, row in rows(CATALOGUE).items() if row[column] != "-"}


def source(pattern):
    files = sorted(path for path in REPOSITORY.glob(pattern) if "build" not in path.relative_to(REPOSITORY).parts)
    assert files, f"{pattern}: there is no such file"
    return "\n".join(path.read_text() for path in files)


def test_the_catalogue_has_the_codes_of_the_header():
    assert len(codes(HEADER)) > 30
    assert {code: row["value"] for code, row in rows(CATALOGUE).items()} == codes(HEADER)


def test_a_missing_or_wrong_code_would_be_noticed():
    cut = re.sub(r"^\| `RAFT_ERR_BUSY`.*\n", "", CATALOGUE, flags=re.MULTILINE)
    assert set(codes(HEADER)) - set(rows(cut)) == {"RAFT_ERR_BUSY"}
    assert codes("#define RAFT_ERR_NEW (-30)") == {"RAFT_ERR_NEW": "-30"}


def test_each_code_has_a_cause_and_a_remedy():
    table = rows(CATALOGUE).items()
    assert [code for code, row in table if min(len(row["cause"]), len(row["what to do"])) < 10] == []


def test_names_in_rust_are_those_that_become_the_codes():
    status = source("ffi/src/**/*.rs")
    arms = re.findall(r"\b(Error::\w+|StorageError::\w+)(?:\(_\)| \{ \.\. \})? => (RAFT_ERR_\w+)", status)
    names = {code: name for name, code in arms}
    names["RAFT_ERR_IO"] = "StorageError::Host"  # carries the host's own code
    assert named("Rust") == names


def test_names_in_python_are_exceptions_and_none_is_missing():
    module = source("python/raftcore/errors.py")
    classes = set(re.findall(r"^class (\w+)\(.*(?:Error|Exception).*\):", module, re.MULTILINE))
    only_python = {"SnapshotOutOfDate", "StorageInUse"}
    assert set(named("Python").values()) == classes - only_python


def test_names_in_go_are_the_codes_of_the_package():
    constants = re.findall(r"^\s*(Err\w+) +Status += C\.(RAFT_ERR_\w+)", source("go/errors.go"), re.MULTILINE)
    assert named("Go") == {code: name for name, code in constants}
