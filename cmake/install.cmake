# SPDX-License-Identifier: Apache-2.0
#
# Library, headers, pkg-config files and CMake package. What is installed has no debug information. That of the
# shared library is a component of its own, which is installed only when it is asked for, and where debuggers look
# for it:
#   cmake --install build --component debug
include(CMakePackageConfigHelpers)

install(FILES ${raftcore_lib_dir}/${raftcore_shared_file} ${raftcore_lib_dir}/${raftcore_soname}
  DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(FILES ${raftcore_lib_dir}/libraftcore.so ${raftcore_lib_dir}/libraftcore.a
  DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(FILES include/raftcore.h include/raftcore.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY include/raftcore
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

# Debian keeps debug information of all packages in one tree, by build ID.
string(COMPARE EQUAL "${RAFTCORE_DEB}" ON raftcore_by_build_id)
set(raftcore_install_variables "include(\"${PROJECT_SOURCE_DIR}/cmake/debug_info.cmake\")
  set(objcopy \"${CMAKE_OBJCOPY}\")
  set(readelf \"${CMAKE_READELF}\")
  set(strip \"${CMAKE_STRIP}\")
  set(built \"${raftcore_lib_dir}/${raftcore_shared_file}\")
  set(libdir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\")")
install(CODE "${raftcore_install_variables}
  strip_shared(${raftcore_shared_file})" COMPONENT library)
install(CODE "${raftcore_install_variables}
  strip_static(libraftcore.a)" COMPONENT development)
install(CODE "${raftcore_install_variables}
  install_debug_info(${raftcore_by_build_id})" COMPONENT debug EXCLUDE_FROM_ALL)

list(TRANSFORM raftcore_static_libs PREPEND "-l" OUTPUT_VARIABLE raftcore_libs_private)
list(JOIN raftcore_libs_private " " raftcore_libs_private)
file(RELATIVE_PATH raftcore_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/raftcore.pc.in raftcore.pc @ONLY)
configure_file(cmake/raftcore-shared.pc.in raftcore-shared.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/raftcore.pc ${PROJECT_BINARY_DIR}/raftcore-shared.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

set(raftcore_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/raftcore)
configure_package_config_file(cmake/raftcoreConfig.cmake.in raftcoreConfig.cmake
  INSTALL_DESTINATION ${raftcore_package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(raftcoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/raftcoreConfig.cmake ${PROJECT_BINARY_DIR}/raftcoreConfigVersion.cmake
  DESTINATION ${raftcore_package_dir} COMPONENT development)
