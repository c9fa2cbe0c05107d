// SPDX-License-Identifier: Apache-2.0

//go:build !raftcore_static

package raftcore

// The shared library, where pkg-config finds it. cgo does not see the members
// of an anonymous union, which old names need: so without them.

// #cgo CFLAGS: -DRAFT_NO_OLD_NAMES
// #cgo pkg-config: raftcore
import "C"
