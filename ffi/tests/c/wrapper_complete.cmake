# SPDX-License-Identifier: Apache-2.0
#
# The headers of raftcore.hpp offer every function that raftcore.h declares.
#   cmake -DINCLUDE=<include> -P wrapper_complete.cmake
file(READ ${INCLUDE}/raftcore.h header)
file(GLOB parts ${INCLUDE}/raftcore/*.hpp)
foreach(part ${parts})
  file(READ ${part} text)
  string(APPEND wrapper "${text}")
endforeach()
string(REGEX MATCHALL "\nRAFT_API[^(]*\\(" declarations "${header}")
foreach(declaration ${declarations})
  string(REGEX REPLACE ".*[ \n*](raft_[a-z0-9_]+)\\($" "\\1" function "${declaration}")
  if(NOT wrapper MATCHES "${function}[^a-z0-9_]")
    list(APPEND missing ${function})
  endif()
endforeach()
# Plain functions that a wrapper would only rename; and a view of what encode() gives.
list(REMOVE_ITEM missing raft_version raft_abi_version raft_entry_encoded_len raft_conf_state_buffer_encoded)
list(LENGTH declarations count)
if(missing OR count LESS 40)
  message(FATAL_ERROR "not in raftcore.hpp: ${missing}")
endif()
message(STATUS "${count} functions")
