# SPDX-License-Identifier: Apache-2.0
#
# The shared library exports the functions that the header declares, and nothing else.
#   cmake -DNM=nm -DLIBRARY=libraftcore.so -DHEADER=raftcore.h -P symbols.cmake
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

message(STATUS "${count} functions")
