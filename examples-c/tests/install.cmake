# SPDX-License-Identifier: Apache-2.0
#
# What is installed suffices: programs in C and C++ build in an empty folder and run against it, by
# CMake's find_package and by pkg-config, with the shared and with the static library.
#   cmake -DBUILD=<raftcore's build directory> -DLIBDIR=lib -DVERSION=0.1.0 -DCONSUMER=<./consumer>
#     -DWORK=<scratch> -DCC=cc -DCXX=c++ -P install.cmake
set(stage ${WORK}/stage)
set(prefix ${WORK}/moved)
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  string(STRIP "${output}" output)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect program)
  run(${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${prefix}/${LIBDIR} ${program})
  if(NOT output STREQUAL "raftcore ${VERSION} applied 2")
    message(FATAL_ERROR "${program} printed: ${output}")
  endif()
endfunction()

# A static program carries the library in itself.
function(expect_static program)
  run(${program})
  if(NOT output STREQUAL "raftcore ${VERSION} applied 2")
    message(FATAL_ERROR "${program} printed: ${output}")
  endif()
endfunction()

# As a packager does it; and what was installed may be moved.
set(ENV{DESTDIR} ${stage})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix /usr)
unset(ENV{DESTDIR})
file(RENAME ${stage}/usr ${prefix})

set(real ${prefix}/${LIBDIR}/libraftcore.so.${VERSION})
foreach(link libraftcore.so libraftcore.so.0)
  file(REAL_PATH ${prefix}/${LIBDIR}/${link} target)
  if(NOT IS_SYMLINK ${prefix}/${LIBDIR}/${link} OR NOT target STREQUAL real)
    message(FATAL_ERROR "${link} is no link to libraftcore.so.${VERSION}")
  endif()
endforeach()

file(COPY ${CONSUMER}/ DESTINATION ${WORK}/consumer)
run(${CMAKE_COMMAND} -S ${WORK}/consumer -B ${WORK}/consumer/build -DCMAKE_PREFIX_PATH=${prefix}
  -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX})
run(${CMAKE_COMMAND} --build ${WORK}/consumer/build)
foreach(language c cxx)
  expect(${WORK}/consumer/build/${language}_raftcore)
  expect_static(${WORK}/consumer/build/${language}_static)
endforeach()

find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
  message(STATUS "pkg-config is not installed: not tried")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
run(${PKG_CONFIG} --modversion raftcore)
if(NOT output STREQUAL VERSION)
  message(FATAL_ERROR "pkg-config says version ${output}")
endif()
run(${PKG_CONFIG} --cflags --libs raftcore)
separate_arguments(shared UNIX_COMMAND "${output}")
run(${PKG_CONFIG} --cflags --libs --static raftcore)
string(REPLACE "-lraftcore" "${prefix}/${LIBDIR}/libraftcore.a" output "${output}")
separate_arguments(static UNIX_COMMAND "${output}")

file(MAKE_DIRECTORY ${WORK}/pkg-config)
foreach(kind shared static)
  run(${CC} ${CONSUMER}/main.c -o ${WORK}/pkg-config/c_${kind} ${${kind}})
  run(${CXX} -std=c++17 ${CONSUMER}/main.cc -o ${WORK}/pkg-config/cxx_${kind} ${${kind}})
endforeach()
foreach(language c cxx)
  expect(${WORK}/pkg-config/${language}_shared)
  expect_static(${WORK}/pkg-config/${language}_static)
endforeach()
