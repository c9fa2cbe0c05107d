# SPDX-License-Identifier: Apache-2.0
#
# raftcore::Error is one type in all shared objects of a program: one that is thrown by one of them is caught by
# another, compiled with -fvisibility=hidden, by each compiler and C++ library that is there. (libc++ compares types by
# the addresses of their names; libstdc++ would forgive.)
#   cmake -DINCLUDE=<include> -DLIBRARY=libraftcore.so -DSOURCE=<./visibility> -DWORK=<scratch> -P visibility.cmake
cmake_minimum_required(VERSION 3.20)
get_filename_component(library_dir ${LIBRARY} DIRECTORY)
set(count 0)

foreach(pair g++:libstdc++ clang++:libstdc++ clang++:libc++)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 compiler)
  list(GET pair 1 standard_library)
  find_program(found_${compiler} ${compiler})
  if(NOT found_${compiler})
    message(STATUS "${compiler} is not installed: not tried")
    continue()
  endif()
  set(work ${WORK}/${compiler}-${standard_library})
  file(MAKE_DIRECTORY ${work})
  set(flags -std=c++17 -fvisibility=hidden -fvisibility-inlines-hidden -I${INCLUDE} -Wl,-rpath,${work}:${library_dir})
  if(compiler STREQUAL "clang++")
    list(APPEND flags -stdlib=${standard_library})
  endif()
  file(WRITE ${work}/empty.cc "#include <string>\nint main() { return std::string().empty() ? 0 : 1; }\n")
  execute_process(COMMAND ${compiler} ${flags} ${work}/empty.cc -o ${work}/empty
    RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
  if(NOT result EQUAL 0)
    message(STATUS "${compiler} has no ${standard_library}: not tried")
    continue()
  endif()
  execute_process(COMMAND ${compiler} ${flags} -shared -fPIC ${SOURCE}/thrower.cc ${LIBRARY} -o ${work}/libthrower.so
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${compiler} ${flags} -shared -fPIC ${SOURCE}/catcher.cc ${work}/libthrower.so ${LIBRARY}
    -o ${work}/libcatcher.so COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${compiler} ${flags} ${SOURCE}/main.cc ${work}/libcatcher.so ${work}/libthrower.so ${LIBRARY}
    -o ${work}/main COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${work}/main RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${compiler} with ${standard_library}: the error is not caught")
  endif()
  math(EXPR count "${count} + 1")
endforeach()
if(count EQUAL 0)
  message(FATAL_ERROR "no compiler was found")
endif()
message(STATUS "${count} times")
