# SPDX-License-Identifier: Apache-2.0
#
# The shared library exports the functions that the header declares, and nothing else; and each of them is
# tried by the tests of misuse, in the folder MISUSE.
#   cmake -DNM=nm -DLIBRARY=libraftcore.so -DHEADER=raftcore.h -DMISUSE=<folder> -P symbols.cmake
execute_process(COMMAND ${NM} -D --defined-only --format=posix ${LIBRARY}
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
foreach(line ${lines})
  string(REGEX REPLACE " .*" "" symbol "${line}")
  list(APPEND exported ${symbol})
endforeach()

file(READ ${HEADER} header)
# Only declarations that are marked for export, not the helpers that are defined in the header.
string(REGEX MATCHALL "\nRAFT_API[^(]*\\(" declarations "${header}")
foreach(declaration ${declarations})
  string(REGEX REPLACE ".*[ \n*](raft_[a-z0-9_]+)\\($" "\\1" function "${declaration}")
  list(APPEND declared ${function})
endforeach()

set(undeclared ${exported})
list(REMOVE_ITEM undeclared ${declared})
set(missing ${declared})
list(REMOVE_ITEM missing ${exported})
list(LENGTH declared count)
if(undeclared OR missing OR count LESS 40)
  message(FATAL_ERROR "exported, not declared: ${undeclared}\ndeclared, not exported: ${missing}")
endif()

file(READ ${MISUSE}/misuse_cases.h cases)
file(READ ${MISUSE}/misuse_test.c tests)
# Those that take nothing that could be wrong, and the suite that has tests of its own.
set(untried)
foreach(function ${declared})
  if(NOT function MATCHES "^raft_(version|abi_version|storage_check.*)$"
     AND NOT "${cases}${tests}" MATCHES "[^a-z_]${function}\\(")
    list(APPEND untried ${function})
  endif()
endforeach()
if(untried)
  message(FATAL_ERROR "misuse_cases.h has no line for: ${untried}")
endif()
message(STATUS "${count} functions")
