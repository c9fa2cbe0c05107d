# SPDX-License-Identifier: Apache-2.0
#
# Targets raftcore::raftcore (shared) and raftcore::static, built by cargo into build/cargo and put
# under their final names into build/lib.
find_program(RAFTCORE_CARGO cargo REQUIRED)

if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(raftcore_profile dev)
  set(raftcore_profile_dir debug)
else()
  set(raftcore_profile release)
  set(raftcore_profile_dir release)
endif()
set(RAFTCORE_CARGO_DIR ${PROJECT_BINARY_DIR}/cargo CACHE PATH "cargo's target directory; builds may share one")
set(raftcore_cargo_dir ${RAFTCORE_CARGO_DIR})
set(raftcore_cargo_out ${raftcore_cargo_dir}/${raftcore_cargo_triple}/${raftcore_profile_dir})
cmake_path(NORMAL_PATH raftcore_cargo_out)

set(raftcore_lib_dir ${PROJECT_BINARY_DIR}/lib)
set(raftcore_soname libraftcore.so.0)
set(raftcore_shared_file libraftcore.so.${PROJECT_VERSION})
file(MAKE_DIRECTORY ${raftcore_lib_dir})

# cargo is always asked: it knows best what is out of date, and says so in a few milliseconds.
add_custom_target(raftcore_cargo ALL
  COMMAND ${CMAKE_COMMAND} -E env ${raftcore_cargo_env}
    ${RAFTCORE_CARGO} build --locked --package raftcore-c --profile ${raftcore_profile}
    --target-dir ${raftcore_cargo_dir} ${raftcore_cargo_flags}
  COMMAND ${CMAKE_COMMAND} -E copy_if_different
    ${raftcore_cargo_out}/libraftcore.so ${raftcore_lib_dir}/${raftcore_shared_file}
  COMMAND ${CMAKE_COMMAND} -E copy_if_different
    ${raftcore_cargo_out}/libraftcore.a ${raftcore_lib_dir}/libraftcore.a
  COMMAND ${CMAKE_COMMAND} -E create_symlink ${raftcore_shared_file} ${raftcore_lib_dir}/${raftcore_soname}
  COMMAND ${CMAKE_COMMAND} -E create_symlink ${raftcore_soname} ${raftcore_lib_dir}/libraftcore.so
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  BYPRODUCTS ${raftcore_lib_dir}/${raftcore_shared_file} ${raftcore_lib_dir}/${raftcore_soname}
    ${raftcore_lib_dir}/libraftcore.so ${raftcore_lib_dir}/libraftcore.a
  COMMENT "libraftcore (cargo, ${raftcore_profile})"
  USES_TERMINAL VERBATIM)

add_library(raftcore::raftcore SHARED IMPORTED GLOBAL)
set_target_properties(raftcore::raftcore PROPERTIES
  IMPORTED_LOCATION ${raftcore_lib_dir}/${raftcore_soname}
  IMPORTED_SONAME ${raftcore_soname}
  INTERFACE_INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/include)
add_dependencies(raftcore::raftcore raftcore_cargo)

# What Rust's standard library needs (rustc --print native-static-libs), but for libgcc: the compiler adds the
# one that fits, libgcc_s to a dynamic program and libgcc_eh to a static one.
set(raftcore_static_libs util rt pthread m dl)
add_library(raftcore::static STATIC IMPORTED GLOBAL)
set_target_properties(raftcore::static PROPERTIES
  IMPORTED_LOCATION ${raftcore_lib_dir}/libraftcore.a
  INTERFACE_LINK_LIBRARIES "${raftcore_static_libs}"
  INTERFACE_INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/include)
add_dependencies(raftcore::static raftcore_cargo)
