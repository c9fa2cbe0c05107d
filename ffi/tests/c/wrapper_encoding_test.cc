// SPDX-License-Identifier: Apache-2.0
//
// raftcore.hpp: what is encoded comes back as it was, and views do not copy.

#include <array>
#ifdef __cpp_lib_span
#include <span>
#endif

#include "wrapper_support.hpp"

namespace {

TEST(Wrapper, EncodingsComeBackAsTheyWere) {
  const std::string payload("a\0b", 3);
  raft_entry entry{};
  entry.term = 3;
  entry.index = 7;
  entry.data = raftcore::slice(payload);
  const std::string encoded = raftcore::encode(entry);
  EXPECT_EQ(encoded.size(), raft_entry_encoded_len(&entry));
  const std::vector<raft_entry> three(3, entry);
  EXPECT_EQ(raftcore::fitting(three, 2 * encoded.size()), 2u);
  EXPECT_EQ(raftcore::view(raftcore::decode_entry(encoded).data), payload);

  const raftcore::Members members({1, 2, 3});
  EXPECT_EQ(raftcore::Members::decode(raftcore::encode(members)).voters, members.voters);
  members.validate();
  raftcore::Members wrong = members;
  wrong.learners = {1};
  EXPECT_NE(status_of([&] { wrong.validate(); }), RAFT_OK);

  raft_snapshot snapshot{};
  snapshot.index = 9;
  snapshot.conf_state = members.view();
  snapshot.data = raftcore::slice(payload);
  const raftcore::Snapshot decoded = raftcore::Snapshot::decode(raftcore::encode(snapshot));
  const raftcore::Snapshot shared = raftcore::Snapshot::share(decoded.handle());
  EXPECT_EQ(raftcore::view(shared.view().data), payload);
  EXPECT_EQ(shared.view().index, 9u);
  EXPECT_EQ(status_of([] { raftcore::Snapshot::decode("nonsense"); }), RAFT_ERR_DECODE);

  const raft_conf_change_op op{RAFT_CONF_ADD_LEARNER, 4};
  raft_conf_change change{};
  change.struct_size = sizeof change;
  change.ops = &op;
  change.ops_len = 1;
  const std::string change_bytes = raftcore::encode(change);
  entry.kind = RAFT_ENTRY_CONF_CHANGE_V2;
  entry.data = raftcore::slice(change_bytes);
  const raftcore::ConfChange read = raftcore::ConfChange::decode(entry);
  ASSERT_EQ(read.view().ops_len, 1u);
  EXPECT_EQ(read.view().ops[0].node, 4u);

  raft_message_fields fields{};
  fields.struct_size = sizeof fields;
  fields.type = RAFT_MESSAGE_HEARTBEAT;
  fields.from = 1;
  fields.to = 2;
  fields.term = 5;
  const std::string message = raftcore::encode(fields);
  EXPECT_EQ(raftcore::inspect(message).term, 5u);
  EXPECT_EQ(raftcore::Message::decode(message).view().to, 2u);
}

TEST(Wrapper, ViewsBorrowFromWhateverHoldsTheElements) {
  const std::vector<raft_slice> vector(3);
  const std::array<raft_slice, 2> array{};
  const raft_slice plain[4] = {};
  EXPECT_EQ(raftcore::Span<raft_slice>(vector).data(), vector.data());
  EXPECT_EQ(raftcore::Span<raft_slice>(array).data(), array.data());
  EXPECT_EQ(raftcore::Span<raft_slice>(plain).size(), 4u);
  const raftcore::Span<raft_slice> span = vector;
  EXPECT_EQ(raftcore::Span<raft_slice>(span).data(), vector.data());
  static_assert(!std::is_constructible_v<raftcore::Span<raft_slice>, std::vector<raft_entry>>);
  const std::string text("bytes");
  EXPECT_EQ(static_cast<const void *>(raftcore::slice(text).data), text.data());
  EXPECT_EQ(raftcore::view(raftcore::slice(text)).data(), text.data());
#ifdef __cpp_lib_span
  EXPECT_EQ(std::span<const raft_slice>(span).data(), vector.data());
#endif
}

}  // namespace
