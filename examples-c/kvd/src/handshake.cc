// SPDX-License-Identifier: Apache-2.0
#include "handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <charconv>

#include "identity.h"
#include "log.h"
#include "random_bytes.h"

namespace kvd {
namespace {

constexpr std::string_view peer_word = "kvd-peer";
constexpr std::string_view store_word = "kvd-store";
constexpr std::string_view refused_word = "kvd-refused";
constexpr std::string_view wait_word = "kvd-wait";
constexpr std::string_view version = "2";
constexpr size_t nonce_bytes = 16;
constexpr size_t proof_bytes = 32;
constexpr std::string_view no_birth = "-";

// Takes words off the front of a line. What is no word, or not of the kind asked for, fails it.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  bool at_end() const { return !failed_ && at_end_; }

  std::string_view next() {
    const size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    if (at_end_ || word.empty()) failed_ = true;
    at_end_ = end == rest_.size();
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }

  void expect(std::string_view word) { check(next() == word); }

  uint64_t number() { return number_in(next()); }

  std::vector<uint64_t> numbers() {
    std::vector<uint64_t> list;
    std::string_view text = next();
    while (!text.empty()) {
      const size_t end = std::min(text.find(','), text.size());
      list.push_back(number_in(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    check(std::is_sorted(list.begin(), list.end()));
    return list;
  }

  std::string hex(size_t bytes) { return hex_in(next(), bytes); }

  std::string birth() {
    const std::string_view word = next();
    return word == no_birth ? "" : hex_in(word, identity_bytes);
  }

  bool failed() const { return failed_; }

 private:
  void check(bool holds) { failed_ = failed_ || !holds; }

  uint64_t number_in(std::string_view text) {
    uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    check(problem == std::errc{} && end == text.data() + text.size());
    return value;
  }

  std::string hex_in(std::string_view text, size_t bytes) {
    std::string value;
    check(text.size() == 2 * bytes);
    for (size_t i = 0; i + 2 <= text.size() && !failed_; i += 2) {
      uint8_t byte = 0;
      const auto [end, problem] = std::from_chars(&text[i], &text[i] + 2, byte, 16);
      check(problem == std::errc{} && end == &text[i] + 2);
      value.push_back(static_cast<char>(byte));
    }
    return value;
  }

  std::string_view rest_;
  bool at_end_ = false;
  bool failed_ = false;
};

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::string proof(proof_bytes, '\0');
  unsigned int size = 0;
  const unsigned char *made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char *>(text.data()), text.size(),
           reinterpret_cast<unsigned char *>(proof.data()), &size);
  if (made == nullptr || size != proof_bytes) fatal("libcrypto makes no HMAC-SHA-256");
  return proof;
}

}  // namespace

bool valid_cluster_id(std::string_view id) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), allowed);
}

void Handshake::note(std::string_view line) { transcript_.append(line).append("\n"); }

std::string Handshake::prove(std::string line) {
  const std::string proof = to_hex(hmac_sha256(secret_, transcript_ + line));
  line.append(" ").append(proof);
  note(line);
  return line + "\n";
}

std::optional<std::string_view> Handshake::take_proof(std::string_view line) {
  const size_t space = line.rfind(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view said = line.substr(0, space);
  const std::string expected = to_hex(hmac_sha256(secret_, transcript_ + std::string(said)));
  const std::string_view proof = line.substr(space + 1);
  if (proof.size() != expected.size() ||
      CRYPTO_memcmp(proof.data(), expected.data(), expected.size()) != 0) {
    return std::nullopt;
  }
  note(line);
  return said;
}

std::string Handshake::hello(const Hello &hello) {
  std::string line;
  line.append(peer_word).append(" ").append(version).append(" ").append(hello.cluster_id);
  line.append(" ").append(std::to_string(hello.from)).append(" ").append(std::to_string(hello.to));
  line.append(" ").append(to_hex(random_bytes(nonce_bytes)));
  note(line);
  return line + "\n";
}

std::optional<Hello> Handshake::read_hello(std::string_view line) {
  Words words(line);
  words.expect(peer_word);
  words.expect(version);
  Hello hello;
  hello.cluster_id = words.next();
  hello.from = words.number();
  hello.to = words.number();
  words.hex(nonce_bytes);
  if (!words.at_end() || !valid_cluster_id(hello.cluster_id)) return std::nullopt;
  note(line);
  return hello;
}

std::string Handshake::challenge() {
  std::string line;
  line.append(peer_word).append(" ").append(version).append(" ");
  return prove(line.append(to_hex(random_bytes(nonce_bytes))));
}

bool Handshake::read_challenge(std::string_view line) {
  const auto said = take_proof(line);
  if (!said) return false;
  Words words(*said);
  words.expect(peer_word);
  words.expect(version);
  words.hex(nonce_bytes);
  return words.at_end();
}

std::string Handshake::facts(const StoreFacts &facts) {
  std::string line;
  line.append(store_word).append(" ");
  line.append(facts.birth.empty() ? no_birth : to_hex(facts.birth));
  line.append(" ").append(to_hex(facts.disk)).append(" ");
  for (const uint64_t member : facts.members) {
    if (line.back() != ' ') line.append(",");
    line.append(std::to_string(member));
  }
  line.append(" ").append(std::to_string(facts.entry_version));
  line.append(" ").append(std::to_string(facts.max_message_bytes));
  return prove(std::move(line));
}

std::optional<StoreFacts> Handshake::read_facts(std::string_view line) {
  const auto said = take_proof(line);
  if (!said) return std::nullopt;
  Words words(*said);
  words.expect(store_word);
  StoreFacts facts;
  facts.birth = words.birth();
  facts.disk = words.hex(identity_bytes);
  facts.members = words.numbers();
  facts.entry_version = words.number();
  facts.max_message_bytes = words.number();
  if (!words.at_end()) return std::nullopt;
  return facts;
}

std::string write_refusal(const Refusal &refusal) {
  std::string line(refusal.waits ? wait_word : refused_word);
  return line.append(" ").append(refusal.reason).append("\n");
}

std::optional<Refusal> read_refusal(std::string_view line) {
  const std::string_view word = line.substr(0, line.find(' '));
  if (word != refused_word && word != wait_word) return std::nullopt;
  Refusal refusal{word == wait_word,
                  std::string(line.substr(std::min(word.size() + 1, line.size())))};
  // It goes into a log line.
  std::replace_if(
      refusal.reason.begin(), refusal.reason.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return refusal;
}

}  // namespace kvd
