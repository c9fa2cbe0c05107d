// SPDX-License-Identifier: Apache-2.0
#include "message_check.h"

#include <gtest/gtest.h>
#include <raftcore.h>

#include <algorithm>
#include <functional>
#include <random>

#include "bytes.h"
#include "raft_view.h"
#include "snapshot.h"
#include "write_command.h"

namespace kvd {
namespace {

const std::vector<uint64_t> voters = {1, 2, 3};
const MessageRules rules{2, 1, 10, &voters, SlotRange{}};

// A message from store 2 to store 1, as the library encodes it.
class Message {
 public:
  explicit Message(int32_t type) {
    fields.struct_size = sizeof fields;
    fields.type = type;
    fields.from = 2;
    fields.to = 1;
    fields.term = 10;
    payload_ = {write_entry_version, 6};
    entries_ = {{10, 7, RAFT_ENTRY_NORMAL, 0, raft_slice{}}, {10, 8, RAFT_ENTRY_NORMAL, 0, {}}};
    data_ = std::string(1, '\x01') + std::string(8, '\0');  // of a key space without keys
    voters_ = voters;
    if (type == RAFT_MESSAGE_APPEND) {
      fields.entries = entries_.data();
      fields.entries_len = entries_.size();
    }
    if (type == RAFT_MESSAGE_SNAPSHOT) fields.snapshot = &snapshot_;
  }

  std::string encode() {
    entries_[1].data = raft_view(payload_);
    snapshot_.index = snapshot_index;
    snapshot_.term = 9;
    snapshot_.data = raft_view(data_);
    snapshot_.conf_state.voters = voters_.data();
    snapshot_.conf_state.voters_len = voters_.size();
    size_t needed = 0;
    EXPECT_EQ(raft_message_encode(&fields, nullptr, 0, &needed), RAFT_ERR_TOO_LARGE);
    std::string bytes(needed, '\0');
    EXPECT_EQ(raft_message_encode(&fields, reinterpret_cast<uint8_t *>(bytes.data()), bytes.size(),
                                  &needed),
              RAFT_OK);
    return bytes;
  }

  std::string problem() {
    MessageFields found;
    return check_message(encode(), rules, found);
  }

  raft_message_fields fields{};
  uint64_t snapshot_index = 5;
  std::string payload_;
  std::vector<raft_entry> entries_;
  std::string data_;
  std::vector<uint64_t> voters_;

 private:
  raft_snapshot snapshot_{};
};

constexpr int32_t sent_types[] = {
    RAFT_MESSAGE_APPEND,          RAFT_MESSAGE_APPEND_REPLY, RAFT_MESSAGE_VOTE,
    RAFT_MESSAGE_VOTE_REPLY,      RAFT_MESSAGE_SNAPSHOT,     RAFT_MESSAGE_HEARTBEAT,
    RAFT_MESSAGE_HEARTBEAT_REPLY, RAFT_MESSAGE_TIMEOUT_NOW,  RAFT_MESSAGE_PRE_VOTE,
    RAFT_MESSAGE_PRE_VOTE_REPLY};

TEST(MessageCheck, TakesWhatStoresSend) {
  for (const int32_t type : sent_types) {
    Message message(type);
    message.fields.log_term = 9;
    message.fields.index = 6;
    message.fields.commit = 6;
    EXPECT_EQ(message.problem(), "") << "type " << type;
  }
}

TEST(MessageCheck, ReadsWhatTheLibraryReads) {
  for (const int32_t type : sent_types) {
    Message message(type);
    message.fields.log_term = 9;
    message.fields.index = 300;
    message.fields.commit = 200;
    message.fields.reject = true;
    message.fields.reject_hint = 100;
    const std::string bytes = message.encode();
    MessageFields found;
    ASSERT_EQ(check_message(bytes, rules, found), "");
    raft_message_buffer *buffer = nullptr;
    raft_message_fields expected{};
    expected.struct_size = sizeof expected;
    ASSERT_EQ(raft_message_decode(raft_view(bytes), &buffer), RAFT_OK);
    ASSERT_EQ(raft_message_buffer_view(buffer, &expected), RAFT_OK);
    EXPECT_EQ(found.type, expected.type);
    EXPECT_EQ(found.from, expected.from);
    EXPECT_EQ(found.to, expected.to);
    EXPECT_EQ(found.term, expected.term);
    EXPECT_EQ(found.commit, expected.commit);
    raft_message_buffer_free(buffer);
  }
}

TEST(MessageCheck, RefusesWhatStoresDoNotSend) {
  for (int32_t type = 0; type < 30; ++type) {
    if (std::count(std::begin(sent_types), std::end(sent_types), type) != 0) continue;
    std::string bytes;
    for (const uint64_t number : {1 << 3, type, 2 << 3, 1, 3 << 3, 2, 4 << 3, 10}) {
      put_varint(bytes, number);
    }
    MessageFields found;
    EXPECT_NE(check_message(bytes, rules, found), "") << "type " << type;
  }
}

TEST(MessageCheck, AMessageIsFromTheStoreOfItsConnection) {
  for (const int32_t type : sent_types) {
    Message from_another(type);
    from_another.fields.from = 3;
    EXPECT_NE(from_another.problem(), "") << "type " << type;
    Message to_another(type);
    to_another.fields.to = 3;
    EXPECT_NE(to_another.problem(), "") << "type " << type;
  }
}

TEST(MessageCheck, RefusesAbsurdTermsAndIndexes) {
  for (const int32_t type : sent_types) {
    for (const uint64_t term : {uint64_t{0}, 11 + max_term_lead, UINT64_MAX}) {
      Message message(type);
      message.fields.term = term;
      EXPECT_NE(message.problem(), "") << "type " << type << ", term " << term;
    }
  }
  Message old(RAFT_MESSAGE_VOTE);
  old.fields.term = 1;
  EXPECT_EQ(old.problem(), "") << "an old term is none";
  Message vote(RAFT_MESSAGE_VOTE);
  vote.fields.index = UINT64_MAX;
  EXPECT_NE(vote.problem(), "");
  Message term_of_log(RAFT_MESSAGE_VOTE);
  term_of_log.fields.log_term = max_index + 1;
  EXPECT_NE(term_of_log.problem(), "");
  Message heartbeat(RAFT_MESSAGE_HEARTBEAT);
  heartbeat.fields.commit = max_index + 1;
  EXPECT_NE(heartbeat.problem(), "");
  Message reply(RAFT_MESSAGE_APPEND_REPLY);
  reply.fields.index = UINT64_MAX;
  EXPECT_NE(reply.problem(), "");
  Message append(RAFT_MESSAGE_APPEND);
  append.entries_[0].index = UINT64_MAX - 1;
  EXPECT_NE(append.problem(), "");
}

TEST(MessageCheck, RefusesEntriesThatNoStoreWrites) {
  Message unknown_version(RAFT_MESSAGE_APPEND);
  unknown_version.payload_[0] = write_entry_version + 1;
  EXPECT_NE(unknown_version.problem(), "");
  for (const int32_t kind : {RAFT_ENTRY_CONF_CHANGE, RAFT_ENTRY_CONF_CHANGE_V2}) {
    Message membership(RAFT_MESSAGE_APPEND);
    membership.entries_[0].kind = kind;
    EXPECT_NE(membership.problem(), "");
  }
}

TEST(MessageCheck, RefusesSnapshotsOfOtherGroupsAndVersions) {
  const auto problem = [](const std::function<void(Message &)> &change) {
    Message message(RAFT_MESSAGE_SNAPSHOT);
    change(message);
    return message.problem();
  };
  EXPECT_EQ(problem([](Message &) {}), "");
  EXPECT_NE(problem([](Message &message) { message.voters_ = {1, 2}; }), "");
  EXPECT_NE(problem([](Message &message) { message.voters_ = {1, 2, 3, 4}; }), "");
  EXPECT_NE(problem([](Message &message) { message.data_[0] = 2; }), "");
  EXPECT_NE(problem([](Message &message) { message.data_.push_back('x'); }), "");
  EXPECT_NE(problem([](Message &message) { message.data_.clear(); }), "");
  EXPECT_NE(problem([](Message &message) { message.snapshot_index = 0; }), "");
  EXPECT_NE(problem([](Message &message) { message.snapshot_index = UINT64_MAX; }), "");
  EXPECT_NE(problem([](Message &message) { message.fields.term = 8; }), "") << "its entry's is 9";
}

TEST(MessageCheck, TakesQuestionsForReadsWithTheirContext) {
  for (const int32_t type : {RAFT_MESSAGE_READ_INDEX, RAFT_MESSAGE_READ_INDEX_REPLY}) {
    Message message(type);
    message.fields.term = 0;
    const std::string context(8, '\0');
    message.fields.context = raft_view(context);
    EXPECT_EQ(message.problem(), "") << "type " << type;
    message.fields.from = 3;
    EXPECT_NE(message.problem(), "");
  }
}

// A field that comes twice: what is checked could be another one than what is read.
TEST(MessageCheck, RefusesFieldsThatComeTwice) {
  for (const int32_t type : sent_types) {
    const std::string bytes = Message(type).encode();
    for (const uint64_t number : {1, 2, 3, 4}) {
      std::string twice = bytes;
      put_varint(twice, number << 3);
      put_varint(twice, number == 3 ? 2 : 1);
      MessageFields found;
      EXPECT_NE(check_message(twice, rules, found), "") << "field " << number;
    }
  }
}

TEST(MessageCheck, AnyBytesAreLookedAtSafely) {
  std::mt19937 random(7);
  for (const int32_t type : sent_types) {
    const std::string bytes = Message(type).encode();
    for (size_t size = 0; size < bytes.size(); ++size) {
      MessageFields found;
      check_message(bytes.substr(0, size), rules, found);
    }
    for (int round = 0; round < 2000; ++round) {
      std::string changed = bytes;
      changed[random() % changed.size()] = static_cast<char>(random());
      MessageFields found;
      check_message(changed, rules, found);
    }
  }
}

}  // namespace
}  // namespace kvd
