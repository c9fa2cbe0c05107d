# SPDX-License-Identifier: Apache-2.0
#
# Debian packages, by cpack: libraftcore0 (what programs need to run), libraftcore-dev (what they need to be built)
# and libraftcore0-dbgsym (what debuggers need). Their names, files and symbols are not those of Debian's libraft0 and libraft-dev.
#
#   cmake -S . -B build/deb -DRAFTCORE_DEB=ON -DCMAKE_INSTALL_PREFIX=/usr && cmake --build build/deb
#   cd build/deb && cpack -G DEB
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME raftcore)
set(CPACK_PACKAGE_VENDOR raftcore)
# Whoever builds them is their maintainer, named as Debian's own tools expect it.
set(raftcore_deb_maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
if("$ENV{DEBEMAIL}" STREQUAL "")
  set(raftcore_deb_maintainer "raftcore <raftcore@localhost>")
endif()
set(CPACK_PACKAGE_CONTACT ${raftcore_deb_maintainer})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Raft consensus protocol as a library")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL library development debug)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_POST_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/deb-plain.cmake)

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libraftcore0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
"A deterministic state machine behind a stable C interface: it elects leaders,
replicates a log, changes memberships and confirms reads. Storage and network
are the program's own. It speaks the wire format of etcd/raft.")
# Programs that link it depend on a version of it that has what they were built with.
set(raftcore_deb_dir ${PROJECT_BINARY_DIR}/deb)
string(REGEX REPLACE ".*\\.so\\." "" raftcore_deb_abi ${raftcore_soname})
file(CONFIGURE OUTPUT ${raftcore_deb_dir}/shlibs
  CONTENT "libraftcore ${raftcore_deb_abi} libraftcore0 (>= ${PROJECT_VERSION})\n")
file(CONFIGURE OUTPUT ${raftcore_deb_dir}/triggers CONTENT "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${raftcore_deb_dir}/shlibs ${raftcore_deb_dir}/triggers)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libraftcore-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libraftcore0 (= ${PROJECT_VERSION}-1)")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"Headers for C and C++, the static library, and the files by which pkg-config
and CMake find them.")

set(CPACK_DEBIAN_DEBUG_PACKAGE_NAME libraftcore0-dbgsym)
set(CPACK_DEBIAN_DEBUG_PACKAGE_SECTION debug)
set(CPACK_DEBIAN_DEBUG_PACKAGE_DEPENDS "libraftcore0 (= ${PROJECT_VERSION}-1)")
set(CPACK_COMPONENT_DEBUG_DESCRIPTION "The debug information of libraftcore0, for debuggers and profilers.")

# What Debian wants in /usr/share/doc.
find_program(RAFTCORE_GZIP gzip REQUIRED)
string(TIMESTAMP raftcore_deb_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(cmake/deb-changelog.in ${raftcore_deb_dir}/changelog.Debian @ONLY)
configure_file(cmake/deb-copyright.in ${raftcore_deb_dir}/copyright COPYONLY)
execute_process(COMMAND ${RAFTCORE_GZIP} -9nkf ${raftcore_deb_dir}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
foreach(package library:libraftcore0 development:libraftcore-dev debug:libraftcore0-dbgsym)
  string(REPLACE ":" ";" package ${package})
  list(GET package 0 component)
  list(GET package 1 name)
  install(FILES ${raftcore_deb_dir}/copyright ${raftcore_deb_dir}/changelog.Debian.gz
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${name} COMPONENT ${component})
endforeach()

include(CPack)
