# SPDX-License-Identifier: Apache-2.0
#
# Run by cpack when the packages are made. For any shared library cpack writes scripts that call ldconfig, and has no
# setting against it; Debian's own packages leave that to the trigger (Debian policy 8.1.1), which ours have too. So
# the packages are made anew without the scripts.
foreach(package ${CPACK_PACKAGE_FILES})
  set(content ${CPACK_TEMPORARY_DIRECTORY}/plain)
  file(REMOVE_RECURSE ${content})
  execute_process(COMMAND dpkg-deb --raw-extract ${package} ${content} COMMAND_ERROR_IS_FATAL ANY)
  foreach(script postinst postrm)
    if(EXISTS ${content}/DEBIAN/${script})
      file(READ ${content}/DEBIAN/${script} text)
      if(NOT text MATCHES "^#!/bin/sh\n\nset -e\n\nif \\[ [^\n]* \\]; then\n\tldconfig\nfi\n$")
        message(FATAL_ERROR "${package}: ${script} does more than ldconfig:\n${text}")
      endif()
      file(REMOVE ${content}/DEBIAN/${script})
    endif()
  endforeach()
  execute_process(COMMAND dpkg-deb --root-owner-group --build ${content} ${package}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
