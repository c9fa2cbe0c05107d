// SPDX-License-Identifier: Apache-2.0
#include "write_command.h"

#include "bytes.h"

namespace kvd {
namespace {

void put_op(std::string &out, WriteOp op) { out.push_back(static_cast<char>(op)); }

uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

int64_t unzigzag(uint64_t value) { return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1)); }

bool get(ByteReader &reader, std::string_view &out) {
  const auto value = reader.string();
  if (value) out = *value;
  return value.has_value();
}

bool get(ByteReader &reader, uint64_t &out) {
  const auto value = reader.varint();
  if (value) out = *value;
  return value.has_value();
}

bool get_list(ByteReader &reader, uint64_t strings_per_item, std::vector<std::string_view> &out) {
  uint64_t count = 0;
  if (!get(reader, count)) return false;
  // A count that the bytes do not bear out ends at the first missing string: nothing is reserved.
  for (uint64_t i = 0; i < count; ++i) {
    for (uint64_t j = 0; j < strings_per_item; ++j) {
      std::string_view item;
      if (!get(reader, item)) return false;
      out.push_back(item);
    }
  }
  return true;
}

bool decode_fields(ByteReader &reader, WriteCommand &command) {
  switch (command.op) {
    case WriteOp::set: {
      const auto flags = reader.byte();
      if (!flags) return false;
      command.flags = *flags;
      return get(reader, command.key) && get(reader, command.value);
    }
    case WriteOp::del: return get_list(reader, 1, command.list);
    case WriteOp::mset: return get_list(reader, 2, command.list);
    case WriteOp::incr: {
      uint64_t amount = 0;
      if (!get(reader, command.key) || !get(reader, amount)) return false;
      command.amount = unzigzag(amount);
      return true;
    }
    case WriteOp::append:
      return get(reader, command.max_value_bytes) && get(reader, command.key) &&
             get(reader, command.value);
    case WriteOp::flush: return true;
  }
  return false;
}

}  // namespace

void encode_set(std::string &out, uint8_t flags, std::string_view key, std::string_view value) {
  put_op(out, WriteOp::set);
  out.push_back(static_cast<char>(flags));
  put_string(out, key);
  put_string(out, value);
}

void encode_del(std::string &out, const std::string_view *keys, size_t count) {
  put_op(out, WriteOp::del);
  put_varint(out, count);
  for (size_t i = 0; i < count; ++i) put_string(out, keys[i]);
}

void encode_mset(std::string &out, const std::string_view *keys_and_values, size_t pairs) {
  put_op(out, WriteOp::mset);
  put_varint(out, pairs);
  for (size_t i = 0; i < 2 * pairs; ++i) put_string(out, keys_and_values[i]);
}

void encode_incr(std::string &out, std::string_view key, int64_t amount) {
  put_op(out, WriteOp::incr);
  put_string(out, key);
  put_varint(out, zigzag(amount));
}

void encode_append(std::string &out, uint64_t max_value_bytes, std::string_view key,
                   std::string_view value) {
  put_op(out, WriteOp::append);
  put_varint(out, max_value_bytes);
  put_string(out, key);
  put_string(out, value);
}

void encode_flush(std::string &out) { put_op(out, WriteOp::flush); }

WriteReader::Next WriteReader::next(WriteCommand &command) {
  if (position_ == 0) {
    if (entry_.empty()) return Next::end;
    if (entry_[0] != write_entry_version) return Next::unknown_version;
    position_ = 1;
  }
  if (position_ == entry_.size()) return Next::end;
  ByteReader reader(entry_.substr(position_));
  command.op = static_cast<WriteOp>(*reader.byte());
  command.list.clear();
  if (!decode_fields(reader, command)) return Next::malformed;
  position_ = entry_.size() - reader.remaining();
  return Next::command;
}

}  // namespace kvd
