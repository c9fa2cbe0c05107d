// SPDX-License-Identifier: Apache-2.0
//
// Frames that the simulator and a host exchange over standard input and output: four bytes of
// length, then fields, all little-endian. See README.md. What cannot be read or written ends the
// process: the simulator sees that.
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Bytes that are written at the end and read from the front.
typedef struct {
  uint8_t *data;
  size_t len;
  size_t capacity;
  size_t at;
} Frame;

static inline void give_up(const char *why) {
  fprintf(stderr, "sim_host: %s\n", why);
  exit(2);
}

// Makes room for `more` bytes, and returns where they go.
static inline uint8_t *frame_room(Frame *frame, size_t more) {
  if (frame->len + more > frame->capacity) {
    frame->capacity = 2 * (frame->len + more);
    frame->data = realloc(frame->data, frame->capacity);
    if (frame->data == NULL) {
      give_up("out of memory");
    }
  }
  uint8_t *room = frame->data + frame->len;
  frame->len += more;
  return room;
}

// Begins a frame that is to be sent.
static inline void frame_begin(Frame *frame) {
  frame->len = 0;
  frame->at = 0;
  memset(frame_room(frame, 4), 0, 4);
}

static inline void put_byte(Frame *frame, uint8_t byte) { *frame_room(frame, 1) = byte; }

static inline void put_flag(Frame *frame, bool flag) { put_byte(frame, flag ? 1 : 0); }

static inline void put_number(Frame *frame, uint64_t number) {
  uint8_t *room = frame_room(frame, 8);
  for (int i = 0; i < 8; i++) {
    room[i] = (uint8_t)(number >> (8 * i));
  }
}

static inline void put_numbers(Frame *frame, const uint64_t *numbers, size_t len) {
  put_number(frame, len);
  for (size_t i = 0; i < len; i++) {
    put_number(frame, numbers[i]);
  }
}

static inline void put_bytes(Frame *frame, const uint8_t *bytes, size_t len) {
  put_number(frame, len);
  uint8_t *room = frame_room(frame, len);
  if (len > 0) {
    memcpy(room, bytes, len);
  }
}

// The next `len` bytes; valid until the frame is received into again.
static inline const uint8_t *get_raw(Frame *frame, size_t len) {
  if (len > frame->len - frame->at) {
    give_up("a frame is too short");
  }
  const uint8_t *bytes = frame->data + frame->at;
  frame->at += len;
  return bytes;
}

static inline uint8_t get_byte(Frame *frame) { return *get_raw(frame, 1); }

static inline bool get_flag(Frame *frame) { return get_byte(frame) != 0; }

static inline uint64_t get_number(Frame *frame) {
  const uint8_t *bytes = get_raw(frame, 8);
  uint64_t number = 0;
  for (int i = 7; i >= 0; i--) {
    number = number << 8 | bytes[i];
  }
  return number;
}

static inline void frame_send(Frame *frame) {
  size_t len = frame->len - 4;
  for (int i = 0; i < 4; i++) {
    frame->data[i] = (uint8_t)(len >> (8 * i));
  }
  for (size_t sent = 0; sent < frame->len;) {
    ssize_t count = write(STDOUT_FILENO, frame->data + sent, frame->len - sent);
    if (count <= 0) {
      give_up("cannot write");
    }
    sent += (size_t)count;
  }
}

// Reads `len` bytes; false if the input ends before the first.
static inline bool read_all(uint8_t *into, size_t len) {
  for (size_t have = 0; have < len;) {
    ssize_t count = read(STDIN_FILENO, into + have, len - have);
    if (count == 0 && have == 0) {
      return false;
    }
    if (count <= 0) {
      give_up("cannot read");
    }
    have += (size_t)count;
  }
  return true;
}

// Waits for a frame; false if there is none any more.
static inline bool frame_receive(Frame *frame) {
  uint8_t head[4];
  if (!read_all(head, sizeof head)) {
    return false;
  }
  size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
  frame->len = 0;
  frame->at = 0;
  if (len > 0 && !read_all(frame_room(frame, len), len)) {
    give_up("the input ends in a frame");
  }
  return true;
}

#endif
