// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"math/bits"
)

// mix is the finaliser of SplitMix64.
func mix(number uint64) uint64 {
	number += 0x9e3779b97f4a7c15
	number = (number ^ number>>30) * 0xbf58476d1ce4e5b9
	number = (number ^ number>>27) * 0x94d049bb133111eb
	return number ^ number>>31
}

// makePayloads makes payloads number first and on: each begins with its number, the rest follows
// from it.
func makePayloads(first uint64, count, length int) [][]byte {
	buffer := make([]byte, count*length)
	payloads := make([][]byte, count)
	for i := range payloads {
		payload := buffer[i*length : (i+1)*length : (i+1)*length]
		payloads[i] = payload
		word := first + uint64(i)
		for len(payload) > 0 {
			var encoded [8]byte
			binary.LittleEndian.PutUint64(encoded[:], word)
			payload = payload[copy(payload, encoded[:]):]
			word = mix(word)
		}
	}
	return payloads
}

// sequence is what a node has applied so far.
type sequence struct {
	hash  uint64
	count uint64
	// index is that of the last entry, payload or not.
	index uint64
}

// add takes in a payload: its length, its first and its last eight bytes. Empty ones (a term starts
// with one) leave no trace.
func (s *sequence) add(payload []byte) {
	if len(payload) < 8 {
		return
	}
	s.count++
	s.fold(uint64(len(payload)))
	s.fold(binary.LittleEndian.Uint64(payload))
	s.fold(binary.LittleEndian.Uint64(payload[len(payload)-8:]))
}

func (s *sequence) fold(word uint64) {
	s.hash = (bits.RotateLeft64(s.hash, 5) ^ word) * 0x517cc1b727220a95
}
