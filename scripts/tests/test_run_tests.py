# SPDX-License-Identifier: Apache-2.0
"""The closing lines of the test runners are counted, and nothing else is."""

import pytest

from run_tests import Counts, count


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0.01s", Counts(12, 0)),
        ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; finished in 0.01s", Counts(3, 2)),
        ("100% tests passed, 0 tests failed out of 7", Counts(7, 0)),
        ("71% tests passed, 2 tests failed out of 7", Counts(5, 2)),
        ("72 passed in 47.74s", Counts(72, 0)),
        ("=== 1 failed, 71 passed, 2 warnings in 90.10s (0:01:30) ===", Counts(71, 1)),
        ("\x1b[31m1 failed\x1b[0m, 3 passed, 2 errors in 0.10s", Counts(3, 3)),
        ("ok  \traftcore.example/interop/mixed\t13.404s", Counts(1, 0)),
        ("FAIL\traftcore.example/interop/mixed\t3.100s", Counts(0, 1)),
        ("2 skipped in 0.01s", Counts()),
        ("test foo ... ok", Counts()),
        ("wrote 5 passed in total", Counts()),
    ],
)
def test_closing_lines(line, counts):
    assert count(line) == counts
