// SPDX-License-Identifier: Apache-2.0
#include "read_command.h"

#include <algorithm>
#include <vector>

#include "bytes.h"
#include "glob.h"
#include "log.h"
#include "resp.h"

namespace kvd {
namespace {

void put_op(std::string &out, ReadOp op) { out.push_back(static_cast<char>(op)); }

// A reply that is larger is refused: a short request can ask for very much.
constexpr size_t max_reply_bytes = 64 << 20;
// Reads of more keys, or of more bytes, are not for the loop.
constexpr uint64_t many_keys = 256;
constexpr size_t many_bytes = 1 << 20;
// One SCAN goes through no more, whatever its COUNT.
constexpr uint64_t max_scanned_keys = 16384;
constexpr size_t max_scanned_bytes = 1 << 20;
constexpr size_t no_limit = SIZE_MAX;

void append_value(std::string &reply, const std::optional<std::string_view> &value) {
  if (value) {
    append_bulk(reply, *value);
  } else {
    append_null(reply);
  }
}

void refuse_reply(std::string &reply) {
  reply.clear();
  append_error(reply,
               "ERR the reply would be larger than " + std::to_string(max_reply_bytes) + " bytes");
}

void require(const rocksdb::Iterator &iterator) {
  if (iterator.status().ok()) return;
  fatal("cannot read from the database: %s", iterator.status().ToString().c_str());
}

// Calls visit(key) for each key of the slots.
template <typename Visit>
void for_each_key(Engine &engine, SlotRange slots, const Visit &visit) {
  const std::string from = data_key_bound(slots.first);
  const std::string to = data_key_bound(slots.last + 1u);
  const rocksdb::Slice end(to);
  const auto iterator = engine.scan(engine.data(), from, end);
  for (; iterator->Valid(); iterator->Next()) visit(user_key_of(view_of(iterator->key())));
  require(*iterator);
}

// A list whose length is known at its end.
class ReplyList {
 public:
  void append(std::string_view item) {
    ++size_;
    if (items_.size() <= max_reply_bytes) append_bulk(items_, item);
  }
  size_t bytes() const { return items_.size(); }

  void append_to(std::string &reply) const {
    if (items_.size() > max_reply_bytes) return refuse_reply(reply);
    append_array(reply, size_);
    reply.append(items_);
  }

 private:
  size_t size_ = 0;
  std::string items_;
};

// These two look at values of `max_bytes` at most; false if there are more.
bool read_mget(ByteReader &fields, KeyReader &keys, size_t max_bytes, std::string &reply) {
  const uint64_t count = fields.varint().value();
  std::string values;
  append_array(values, count);
  for (uint64_t i = 0; i < count; ++i) {
    append_value(values, keys.get(fields.string().value()));
    if (count > 1 && values.size() > max_bytes) return false;
    if (values.size() > max_reply_bytes) {
      refuse_reply(values);
      break;
    }
  }
  reply.append(values);
  return true;
}

bool read_exists(ByteReader &fields, KeyReader &keys, size_t max_bytes, std::string &reply) {
  const uint64_t count = fields.varint().value();
  int64_t found = 0;
  size_t bytes = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const auto value = keys.get(fields.string().value());
    if (!value) continue;
    ++found;
    bytes += value->size();
    if (count > 1 && bytes > max_bytes) return false;
  }
  append_integer(reply, found);
  return true;
}

void read_strlen(ByteReader &fields, KeyReader &keys, std::string &reply) {
  const auto value = keys.get(fields.string().value());
  append_integer(reply, value ? static_cast<int64_t>(value->size()) : 0);
}

void read_dbsize(Engine &engine, SlotRange slots, std::string &reply) {
  int64_t count = 0;
  for_each_key(engine, slots, [&](std::string_view) { ++count; });
  append_integer(reply, count);
}

void read_keys(ByteReader &fields, Engine &engine, SlotRange slots, std::string &reply) {
  const std::string_view pattern = fields.string().value();
  ReplyList found;
  for_each_key(engine, slots, [&](std::string_view key) {
    if (glob_match(pattern, key)) found.append(key);
  });
  found.append_to(reply);
}

void read_scan(ByteReader &fields, Engine &engine, SlotRange slots, const std::string &begin,
               LongReadResult &result) {
  fields.varint();  // the cursor, which `begin` stands for
  const uint64_t count = std::min(fields.varint().value(), max_scanned_keys);
  const bool strings_wanted = fields.byte().value() != 0;
  const bool has_pattern = fields.byte().value() != 0;
  const std::string_view pattern = fields.string().value();
  ReplyList found;
  size_t bytes = 0;
  uint64_t seen = 0;
  const std::string from = std::max(begin, data_key_bound(slots.first));
  const std::string to = data_key_bound(slots.last + 1u);
  const rocksdb::Slice end(to);
  const auto iterator = engine.scan(engine.data(), from, end);
  for (; iterator->Valid() && seen < count && bytes < max_scanned_bytes; iterator->Next()) {
    const std::string_view key = user_key_of(view_of(iterator->key()));
    ++seen;
    bytes += key.size();
    result.last_data_key = view_of(iterator->key());
    if (strings_wanted && (!has_pattern || glob_match(pattern, key))) found.append(key);
  }
  require(*iterator);
  if (!iterator->Valid()) result.last_data_key.clear();
  found.append_to(result.reply);
}

bool execute(std::string_view encoded, KeyReader &keys, size_t max_bytes, std::string &reply) {
  ByteReader fields(encoded);
  // What is decoded here was encoded by this process: a missing field is a bug, and value() throws.
  switch (static_cast<ReadOp>(fields.byte().value())) {
    case ReadOp::get: append_value(reply, keys.get(fields.string().value())); return true;
    case ReadOp::mget: return read_mget(fields, keys, max_bytes, reply);
    case ReadOp::exists: return read_exists(fields, keys, max_bytes, reply);
    case ReadOp::strlen: read_strlen(fields, keys, reply); return true;
    case ReadOp::dbsize:
    case ReadOp::keys:
    case ReadOp::scan: break;
  }
  fatal("a read of many keys came to the loop");
}

}  // namespace

void encode_read_key(std::string &out, ReadOp op, std::string_view key) {
  put_op(out, op);
  put_string(out, key);
}

void encode_read_keys(std::string &out, ReadOp op, const std::string_view *keys, size_t count) {
  put_op(out, op);
  put_varint(out, count);
  for (size_t i = 0; i < count; ++i) put_string(out, keys[i]);
}

void encode_read_pattern(std::string &out, std::string_view pattern) {
  put_op(out, ReadOp::keys);
  put_string(out, pattern);
}

void encode_read_dbsize(std::string &out) { put_op(out, ReadOp::dbsize); }

void encode_read_scan(std::string &out, const ScanRequest &request) {
  put_op(out, ReadOp::scan);
  put_varint(out, request.cursor);
  put_varint(out, request.count);
  out.push_back(request.strings_wanted ? 1 : 0);
  out.push_back(request.pattern ? 1 : 0);
  put_string(out, request.pattern.value_or(""));
}

bool is_long_read(std::string_view encoded) {
  ByteReader fields(encoded);
  switch (static_cast<ReadOp>(fields.byte().value())) {
    case ReadOp::get:
    case ReadOp::strlen: return false;
    case ReadOp::mget:
    case ReadOp::exists: return fields.varint().value() > many_keys;
    case ReadOp::dbsize:
    case ReadOp::keys:
    case ReadOp::scan: return true;
  }
  return false;
}

bool execute_short_read(std::string_view encoded, KeyReader &keys, std::string &reply) {
  return execute(encoded, keys, many_bytes, reply);
}

size_t keys_of_read(std::string_view encoded) {
  ByteReader fields(encoded);
  switch (static_cast<ReadOp>(fields.byte().value())) {
    case ReadOp::mget:
    case ReadOp::exists: return fields.varint().value();
    default: return 1;
  }
}

std::optional<uint64_t> cursor_of_scan(std::string_view encoded) {
  ByteReader fields(encoded);
  if (static_cast<ReadOp>(fields.byte().value()) != ReadOp::scan) return std::nullopt;
  return fields.varint();
}

LongReadResult execute_long_read(std::string_view encoded, Engine &engine, SlotRange slots,
                                 const std::string &scan_begin) {
  LongReadResult result;
  ByteReader fields(encoded);
  switch (static_cast<ReadOp>(fields.byte().value())) {
    case ReadOp::dbsize: read_dbsize(engine, slots, result.reply); return result;
    case ReadOp::keys: read_keys(fields, engine, slots, result.reply); return result;
    case ReadOp::scan: read_scan(fields, engine, slots, scan_begin, result); return result;
    default: break;
  }
  // Several keys are read as of one moment: more is stored meanwhile.
  StoredKeys keys(engine);
  execute(encoded, keys, no_limit, result.reply);
  return result;
}

std::string scan_reply(uint64_t next_cursor, std::string_view keys) {
  std::string reply;
  append_array(reply, 2);
  append_bulk(reply, std::to_string(next_cursor));
  return reply.append(keys);
}

}  // namespace kvd
