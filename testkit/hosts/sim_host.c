// SPDX-License-Identifier: Apache-2.0
//
// A host in C for the deterministic simulator: does with raftcore.h what the simulator commands, and
// asks the simulator for what its nodes want to read from their storages. See README.md.
#include "host.h"

enum { PROTOCOL_VERSION = 1 };

Frame command, request, reply, value, answer;

// Where the interface has two ways to the same end, they are taken in turn.
bool other_way(void) {
  static unsigned count;
  return count++ % 2 == 1;
}

static raft_status put_placed(raft_status status, raft_entry_id placed) {
  put_number(&value, placed.term);
  put_number(&value, placed.index);
  return status;
}

static raft_status obey(uint8_t what, uint64_t number, Node *node) {
  raft_entry_id placed = {0, 0};
  switch (what) {
    case 1: return start(node, number);
    case 2: return free_node(node);
    case 3: return raft_tick(node->raft);
    case 4: return raft_step(node->raft, get_slice(&command));
    case 5: {
      raft_status status = propose(node, &placed);
      return put_placed(status, placed);
    }
    case 6: {
      raft_status status = propose_conf_change(node, &placed);
      return put_placed(status, placed);
    }
    case 7: {
      raft_status status = propose_conf_change_v1(node, &placed);
      return put_placed(status, placed);
    }
    case 8: return apply_conf_change(node);
    case 9: return raft_campaign(node->raft);
    case 10: return raft_transfer_leader(node->raft, get_number(&command));
    case 11: return raft_forget_leader(node->raft);
    case 12: return raft_read_index(node->raft, get_slice(&command));
    case 13: return raft_report_unreachable(node->raft, get_number(&command));
    case 14: {
      uint64_t id = get_number(&command);
      return raft_report_snapshot(node->raft, id, get_flag(&command));
    }
    case 15: return take_ready(node);
    case 16: return advance(node);
    case 17: return append_done(node);
    case 18: return apply_done(node);
    case 19: return put_status(node);
    default: give_up("an unknown command"); return RAFT_OK;
  }
}

// The status, the error in words, the node's state if there is a node, and what the command gives.
static void send_answer(Node *node, raft_status status) {
  frame_begin(&answer);
  put_byte(&answer, FRAME_ANSWER);
  put_number(&answer, (uint64_t)(int64_t)status);
  char text[512] = "";
  if (status != RAFT_OK) {
    (void)raft_node_last_error(node->raft, text, sizeof text, NULL);
  }
  put_bytes(&answer, (const uint8_t *)text, strlen(text));
  put_flag(&answer, node->raft != NULL);
  if (node->raft != NULL) {
    raft_node_status_info info = info_of(node);
    put_number(&answer, info.term);
    put_number(&answer, info.vote);
    put_number(&answer, info.commit);
    put_number(&answer, info.leader);
    put_byte(&answer, (uint8_t)info.role);
    put_flag(&answer, raft_has_ready(node->raft));
  }
  if (status == RAFT_OK && value.len > 0) {
    memcpy(frame_room(&answer, value.len), value.data, value.len);
  }
  frame_send(&answer);
}

int main(void) {
  frame_begin(&answer);
  put_number(&answer, PROTOCOL_VERSION);
  frame_send(&answer);
  while (frame_receive(&command)) {
    uint8_t what = get_byte(&command);
    uint64_t number = get_number(&command);
    Node *node = find_node(what == 1 ? 0 : number);
    value.len = 0;
    raft_status status = obey(what, number, node);
    if (command.at != command.len) {
      give_up("a command is too long");
    }
    send_answer(node, status);
  }
  free(command.data);
  free(request.data);
  free(reply.data);
  free(value.data);
  free(answer.data);
  return 0;
}
