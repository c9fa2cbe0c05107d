# SPDX-License-Identifier: Apache-2.0
#
# RAFTCORE_SANITIZE=address: C and C++ get AddressSanitizer and UBSan, Rust gets AddressSanitizer. An
# uninstrumented library would hide every wrong access that happens in Rust.
#
# Sets raftcore_cargo_env and raftcore_cargo_flags for the cargo command.
set(raftcore_cargo_env)
set(raftcore_cargo_flags)

if(RAFTCORE_SANITIZE STREQUAL "address")
  execute_process(COMMAND rustc -vV OUTPUT_VARIABLE raftcore_rustc COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "host: ([^\n]+)" _ "${raftcore_rustc}")
  # With an explicit target, flags are for the library only and not for build scripts.
  set(raftcore_cargo_triple ${CMAKE_MATCH_1})
  set(raftcore_cargo_flags --target ${raftcore_cargo_triple})
  set(raftcore_cargo_env RUSTC_BOOTSTRAP=1 "RUSTFLAGS=-Zsanitizer=address -Cforce-frame-pointers=yes")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=address,undefined)
elseif(RAFTCORE_SANITIZE)
  message(FATAL_ERROR "RAFTCORE_SANITIZE is \"${RAFTCORE_SANITIZE}\": expected address, or nothing")
endif()
