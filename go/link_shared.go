// SPDX-License-Identifier: Apache-2.0

//go:build !raftcore_static

package raftcore

// The shared library, where pkg-config finds it.

// #cgo pkg-config: raftcore
import "C"
