// SPDX-License-Identifier: Apache-2.0

//go:build raftcore_static

package raftcore

// The static library: the program needs no libraftcore.so where it runs. cgo does not see the members
// of an anonymous union, which old names need: so without them.

// #cgo CFLAGS: -DRAFT_NO_OLD_NAMES
// #cgo pkg-config: --static raftcore
import "C"
