// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package raftcore

// The package is a binding of a C library. Without cgo the compiler stops here, and prints what to do.
var _ = raftcore_needs_cgo__set_CGO_ENABLED_to_1_and_install_a_C_compiler
