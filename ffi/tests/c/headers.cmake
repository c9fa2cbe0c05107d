# SPDX-License-Identifier: Apache-2.0
#
# The headers compile alone, twice over and without a warning, by each compiler that is there and for each
# standard.
#   cmake -DINCLUDE=<include> -DWORK=<scratch> -P headers.cmake
cmake_minimum_required(VERSION 3.20)
file(MAKE_DIRECTORY ${WORK})
set(warnings -Wall -Wextra -Wpedantic -Werror -Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-qual)
set(cxx_warnings -Wold-style-cast -Wzero-as-null-pointer-constant -Wnon-virtual-dtor -Woverloaded-virtual
  -Wextra-semi -Wcast-align)
set(gxx_warnings -Wuseless-cast -Wlogical-op -Wduplicated-cond -Wsuggest-override)

function(compile compiler language standard header)
  set(source ${WORK}/${standard}.${language})
  set(body "return 0;")
  if(header STREQUAL raftcore.h)
    # What has a new name has its old one, too.
    set(body "raft_config config; raft_node_status_info info; config.eager_append = false; info.stabled = 1;
      return config.etcd_compat || info.persisted != 1;")
  endif()
  file(WRITE ${source} "#include \"${header}\"\n#include \"${header}\"\nint main(void) { ${body} }\n")
  execute_process(COMMAND ${compiler} -std=${standard} ${warnings} ${ARGN} -I${INCLUDE} -fsyntax-only ${source}
    ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${compiler} -std=${standard}: ${header}\n${errors}")
  endif()
  math(EXPR count "${count} + 1")
  set(count ${count} PARENT_SCOPE)
endfunction()

# Whoever includes raftcore.hpp pays for what it includes: none but the small ones of the standard library.
set(small cstddef cstdint exception initializer_list iterator memory stdexcept string string_view type_traits utility vector)
file(GLOB parts ${INCLUDE}/raftcore.hpp ${INCLUDE}/raftcore/*.hpp)
foreach(part ${parts})
  file(STRINGS ${part} included REGEX "^#include <")
  foreach(line ${included})
    string(REGEX REPLACE "^#include <(.*)>.*" "\\1" name ${line})
    if(NOT name IN_LIST small AND NOT name MATCHES "^raftcore")
      message(FATAL_ERROR "${part} includes <${name}>")
    endif()
  endforeach()
endforeach()

set(count 0)
foreach(pair gcc:g++ clang:clang++)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 c)
  list(GET pair 1 cxx)
  find_program(found_${c} ${c})
  find_program(found_${cxx} ${cxx})
  if(NOT found_${c} OR NOT found_${cxx})
    message(STATUS "${c} is not installed: not tried")
    continue()
  endif()
  foreach(standard c99 c11 c17 c2x)
    compile(${c} c ${standard} raftcore.h -Wstrict-prototypes)
  endforeach()
  set(more ${cxx_warnings})
  if(cxx STREQUAL "g++")
    list(APPEND more ${gxx_warnings})
  endif()
  foreach(standard c++11 c++14 c++17 c++20 c++2b)
    compile(${cxx} cc ${standard} raftcore.h ${more})
  endforeach()
  foreach(standard c++17 c++20 c++2b)
    compile(${cxx} cc ${standard} raftcore.hpp ${more} -fvisibility=hidden)
  endforeach()
  # Without exceptions the reason is said, and nothing but the reason.
  file(WRITE ${WORK}/exceptions.cc "#include <raftcore.hpp>\n")
  execute_process(COMMAND ${cxx} -std=c++17 -fno-exceptions -Wfatal-errors -I${INCLUDE} -fsyntax-only ${WORK}/exceptions.cc
    ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(result EQUAL 0 OR NOT errors MATCHES "raftcore.hpp reports errors by exceptions")
    message(FATAL_ERROR "${cxx} -fno-exceptions: ${errors}")
  endif()
  # Lists of ids in braces are lists of ids.
  file(WRITE ${WORK}/braces.cc "#include <raftcore.hpp>
int main() {
  const raftcore::Members a({0}), b({0, 1}), c({});
  const raft_conf_state state = a.view();
  return static_cast<int>(a.voters.size() + b.voters.size() + c.voters.size() + raftcore::Members(state).voters.size());
}\n")
  execute_process(COMMAND ${cxx} -std=c++17 ${warnings} -I${INCLUDE} -fsyntax-only ${WORK}/braces.cc
    ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${cxx}: ${errors}")
  endif()
  # Its parts need nobody to be included before them.
  file(GLOB parts RELATIVE ${INCLUDE} ${INCLUDE}/raftcore/*.hpp)
  foreach(part ${parts})
    compile(${cxx} cc c++17 ${part} ${more})
  endforeach()
endforeach()
if(count LESS 10)
  message(FATAL_ERROR "no compiler was found")
endif()
message(STATUS "${count} times")
