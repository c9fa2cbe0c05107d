# SPDX-License-Identifier: Apache-2.0
#
# An uninstrumented library would hide every wrong access that happens in Rust, so it is built with the
# sanitizer too:
#   RAFTCORE_SANITIZE=address  AddressSanitizer, LeakSanitizer and UBSan for C and C++; the first two for Rust
#   RAFTCORE_SANITIZE=thread   ThreadSanitizer for all of them
#
# Sets raftcore_cargo_env and raftcore_cargo_flags for the cargo command.
set(raftcore_cargo_env)
set(raftcore_cargo_flags)

if(RAFTCORE_SANITIZE)
  if(NOT RAFTCORE_SANITIZE MATCHES "^(address|thread)$")
    message(FATAL_ERROR "RAFTCORE_SANITIZE is \"${RAFTCORE_SANITIZE}\": expected address, thread, or nothing")
  endif()
  execute_process(COMMAND rustc -vV OUTPUT_VARIABLE raftcore_rustc COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "host: ([^\n]+)" _ "${raftcore_rustc}")
  # With an explicit target, flags are for the library only and not for build scripts.
  set(raftcore_cargo_triple ${CMAKE_MATCH_1})
  set(raftcore_cargo_flags --target ${raftcore_cargo_triple})
  set(raftcore_rustflags "-Zsanitizer=${RAFTCORE_SANITIZE} -Cforce-frame-pointers=yes")
  if(RAFTCORE_SANITIZE STREQUAL "thread")
    # Rust's own standard library is not instrumented. What it synchronises, it does by atomics that are
    # compiled into this library, and by calls that the runtime knows.
    string(APPEND raftcore_rustflags " -Cunsafe-allow-abi-mismatch=sanitizer")
  endif()
  set(raftcore_cargo_env RUSTC_BOOTSTRAP=1 "RUSTFLAGS=${raftcore_rustflags}")
endif()

if(RAFTCORE_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=address,undefined)
elseif(RAFTCORE_SANITIZE STREQUAL "thread")
  # The C compiler's own runtime lacks what instrumented Rust calls: all link with that of rustc.
  execute_process(COMMAND rustc --print target-libdir OUTPUT_VARIABLE raftcore_rustlib
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB raftcore_tsan_runtime ${raftcore_rustlib}/librustc-*_rt.tsan.a)
  if(NOT raftcore_tsan_runtime)
    message(FATAL_ERROR "rustc brings no ThreadSanitizer runtime: ${raftcore_rustlib}")
  endif()
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g)
  add_link_options(-Wl,--whole-archive ${raftcore_tsan_runtime} -Wl,--no-whole-archive -Wl,--export-dynamic)
  link_libraries(pthread rt dl m)
endif()
