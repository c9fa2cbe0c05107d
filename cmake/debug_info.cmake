# SPDX-License-Identifier: Apache-2.0
#
# Included when the library is installed. The includer sets:
#   objcopy, readelf, strip  the tools
#   built                    the shared library as it was built, with debug information
#   libdir                   where libraries are installed, without DESTDIR
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Takes the debug information out of the library that was built, into a file beside it.
function(split_debug_info out)
  run(${objcopy} --only-keep-debug ${built} ${built}.debug)
  set(${out} ${built}.debug PARENT_SCOPE)
endfunction()

# Removes the debug information of an installed shared library. What is left names the file that has it.
function(strip_shared file)
  split_debug_info(debug)
  run(${strip} --strip-unneeded $ENV{DESTDIR}${libdir}/${file})
  run(${objcopy} --add-gnu-debuglink=${debug} $ENV{DESTDIR}${libdir}/${file})
endfunction()

function(strip_static file)
  run(${strip} --strip-debug $ENV{DESTDIR}${libdir}/${file})
endfunction()

# Installs the debug information (file(INSTALL) itself knows of DESTDIR): beside the library, or in the tree that is ordered by build ID.
function(install_debug_info by_build_id)
  split_debug_info(debug)
  if(NOT by_build_id)
    file(INSTALL ${debug} DESTINATION ${libdir}/.debug)
    return()
  endif()
  execute_process(COMMAND ${readelf} -n ${built} OUTPUT_VARIABLE notes COMMAND_ERROR_IS_FATAL ANY)
  if(NOT notes MATCHES "Build ID: ([0-9a-f][0-9a-f])([0-9a-f]+)")
    message(FATAL_ERROR "${built} has no build ID")
  endif()
  set(tree ${CMAKE_INSTALL_PREFIX}/lib/debug/.build-id)
  file(INSTALL ${debug} DESTINATION ${tree}/${CMAKE_MATCH_1} RENAME ${CMAKE_MATCH_2}.debug)
endfunction()
