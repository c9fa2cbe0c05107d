# SPDX-License-Identifier: Apache-2.0
# The C++ interface as HTML, after that of C, to which it links: `make docs`. Every warning is an error.
PROJECT_NAME           = raftcore
PROJECT_BRIEF          = "The Raft consensus protocol as a library: the C++ interface"
INPUT                  = include/raftcore.hpp include/raftcore docs/site/cpp.md
EXCLUDE                = include/raftcore/detail.hpp
EXCLUDE_SYMBOLS        = raftcore::detail*
USE_MDFILE_AS_MAINPAGE = docs/site/cpp.md
HTML_OUTPUT            = cpp
GENERATE_LATEX         = NO
JAVADOC_AUTOBRIEF      = YES
EXTRACT_ALL            = NO
HIDE_UNDOC_MEMBERS     = NO
MACRO_EXPANSION        = NO
BUILTIN_STL_SUPPORT    = YES
SORT_MEMBER_DOCS       = NO
HAVE_DOT               = NO
QUIET                  = YES
WARNINGS               = YES
WARN_IF_UNDOCUMENTED   = YES
WARN_IF_DOC_ERROR      = YES
WARN_AS_ERROR          = FAIL_ON_WARNINGS
