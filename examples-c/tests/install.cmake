# SPDX-License-Identifier: Apache-2.0
#
# What is installed suffices: the example builds and runs against it, by CMake's find_package and by
# pkg-config, with the shared and with the static library.
#   cmake -DBUILD=<raftcore's build directory> -DLIBDIR=lib -DHELLO=<examples-c/hello> -DWORK=<scratch>
#     -DCC=cc -P install.cmake
set(prefix ${WORK}/prefix)
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  string(STRIP "${output}" output)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(run_hello program)
  run(${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${prefix}/${LIBDIR} ${program})
  if(NOT output MATCHES "three nodes agree")
    message(FATAL_ERROR "${program} printed: ${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})

run(${CMAKE_COMMAND} -S ${HELLO} -B ${WORK}/hello -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_C_COMPILER=${CC})
run(${CMAKE_COMMAND} --build ${WORK}/hello)
run_hello(${WORK}/hello/hello)

find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
  message(STATUS "pkg-config is not installed: not tried")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
run(${PKG_CONFIG} --cflags --libs raftcore)
separate_arguments(flags UNIX_COMMAND "${output}")
run(${CC} ${HELLO}/hello.c -o ${WORK}/shared ${flags})
run_hello(${WORK}/shared)

run(${PKG_CONFIG} --cflags --libs --static raftcore)
string(REPLACE "-lraftcore" "${prefix}/${LIBDIR}/libraftcore.a" output "${output}")
separate_arguments(flags UNIX_COMMAND "${output}")
run(${CC} ${HELLO}/hello.c -o ${WORK}/static ${flags})
run_hello(${WORK}/static)
