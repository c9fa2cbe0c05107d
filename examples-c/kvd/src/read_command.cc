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
constexpr size_t max_reply_bytes = 256 << 20;
// Reads of more keys are not for the loop.
constexpr uint64_t many_keys = 256;

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

void append_list(std::string &reply, const std::vector<std::string> &list) {
  append_array(reply, list.size());
  for (const std::string &item : list) {
    append_bulk(reply, item);
    if (reply.size() > max_reply_bytes) return refuse_reply(reply);
  }
}

void read_mget(ByteReader &fields, KeyReader &keys, std::string &reply) {
  const uint64_t count = fields.varint().value();
  append_array(reply, count);
  for (uint64_t i = 0; i < count; ++i) {
    append_value(reply, keys.get(fields.string().value()));
    if (reply.size() > max_reply_bytes) return refuse_reply(reply);
  }
}

void read_exists(ByteReader &fields, KeyReader &keys, std::string &reply) {
  const uint64_t count = fields.varint().value();
  int64_t found = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (keys.contains(fields.string().value())) ++found;
  }
  append_integer(reply, found);
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
  std::vector<std::string> found;
  for_each_key(engine, slots, [&](std::string_view key) {
    if (glob_match(pattern, key)) found.emplace_back(key);
  });
  append_list(reply, found);
}

void read_scan(ByteReader &fields, Engine &engine, SlotRange slots, std::string &reply) {
  const uint64_t cursor = std::max<uint64_t>(fields.varint().value(), slots.first);
  const uint64_t count = fields.varint().value();
  const bool strings_wanted = fields.byte().value() != 0;
  const bool has_pattern = fields.byte().value() != 0;
  const std::string_view pattern = fields.string().value();
  std::vector<std::string> found;
  uint64_t seen = 0;
  uint64_t slot = cursor;
  const auto iterator = engine.scan_slots();
  for (; slot <= slots.last && seen < count; ++slot) {
    for (iterator->Seek(data_key_bound(static_cast<uint32_t>(slot))); iterator->Valid();
         iterator->Next(), ++seen) {
      const std::string_view key = user_key_of(view_of(iterator->key()));
      const bool matches = !has_pattern || glob_match(pattern, key);
      if (strings_wanted && matches) found.emplace_back(key);
    }
    require(*iterator);
  }
  const uint64_t next_cursor = slot > slots.last ? 0 : slot;
  append_array(reply, 2);
  append_bulk(reply, std::to_string(next_cursor));
  append_list(reply, found);
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

void execute_short_read(std::string_view encoded, KeyReader &keys, std::string &reply) {
  ByteReader fields(encoded);
  // What is decoded here was encoded by this process: a missing field is a bug, and value() throws.
  switch (static_cast<ReadOp>(fields.byte().value())) {
    case ReadOp::get: return append_value(reply, keys.get(fields.string().value()));
    case ReadOp::mget: return read_mget(fields, keys, reply);
    case ReadOp::exists: return read_exists(fields, keys, reply);
    case ReadOp::strlen: return read_strlen(fields, keys, reply);
    case ReadOp::dbsize:
    case ReadOp::keys:
    case ReadOp::scan: break;
  }
  fatal("a read of many keys came to the loop");
}

void execute_long_read(std::string_view encoded, Engine &engine, SlotRange slots,
                       std::string &reply) {
  ByteReader fields(encoded);
  switch (static_cast<ReadOp>(fields.byte().value())) {
    case ReadOp::dbsize: return read_dbsize(engine, slots, reply);
    case ReadOp::keys: return read_keys(fields, engine, slots, reply);
    case ReadOp::scan: return read_scan(fields, engine, slots, reply);
    default: break;
  }
  // Several keys are read as of one moment: more is stored meanwhile.
  StoredKeys keys(engine);
  execute_short_read(encoded, keys, reply);
}

}  // namespace kvd
