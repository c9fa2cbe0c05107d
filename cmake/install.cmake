# SPDX-License-Identifier: Apache-2.0
#
# Library, headers, pkg-config file and CMake package.
include(CMakePackageConfigHelpers)

install(FILES ${raftcore_lib_dir}/${raftcore_shared_file} ${raftcore_lib_dir}/${raftcore_soname}
  DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(FILES ${raftcore_lib_dir}/libraftcore.so ${raftcore_lib_dir}/libraftcore.a
  DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(FILES include/raftcore.h include/raftcore.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY include/raftcore
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

list(TRANSFORM raftcore_static_libs PREPEND "-l" OUTPUT_VARIABLE raftcore_libs_private)
list(JOIN raftcore_libs_private " " raftcore_libs_private)
file(RELATIVE_PATH raftcore_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/raftcore.pc.in raftcore.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/raftcore.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

set(raftcore_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/raftcore)
configure_package_config_file(cmake/raftcoreConfig.cmake.in raftcoreConfig.cmake
  INSTALL_DESTINATION ${raftcore_package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(raftcoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/raftcoreConfig.cmake ${PROJECT_BINARY_DIR}/raftcoreConfigVersion.cmake
  DESTINATION ${raftcore_package_dir} COMPONENT development)
