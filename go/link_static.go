// SPDX-License-Identifier: Apache-2.0

//go:build raftcore_static

package raftcore

// The static library: the program needs no libraftcore.so where it runs.

// #cgo pkg-config: --static raftcore
import "C"
