// SPDX-License-Identifier: Apache-2.0
// Loads a server that speaks RESP, and prints one line of JSON: operations per second, percentiles of
// their latency, and what the load itself cost. One thread, one epoll.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 6379;
  std::string op = "set";
  int clients = 64;
  int pipeline = 1;
  int value_bytes = 256;
  int keys = 10000;
  double seconds = 3;
  double warm_up_seconds = 0.5;
  double rate = 0;
};

[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(1);
}

// The end of the reply that begins at `at`: npos if it has not come in full.
size_t end_of_reply(std::string_view text, size_t at) {
  const size_t line_end = text.find("\r\n", at);
  if (line_end == std::string_view::npos) return line_end;
  if (text[at] == '-') fail("the server answers: " + std::string(text.substr(at, line_end - at)));
  if (text[at] != '$' || text[at + 1] == '-') return line_end + 2;
  const size_t end = line_end + 4 + std::strtoul(text.data() + at + 1, nullptr, 10);
  return end <= text.size() ? end : std::string_view::npos;
}

class Load {
 public:
  explicit Load(const Options &options)
      : options_(options), epoll_(epoll_create1(0)), clients_(options.clients) {
    for (Client &client : clients_) connect(client);
  }

  void run() {
    start_ = Clock::now();
    measured_from_ = start_ + seconds(options_.warm_up_seconds);
    end_ = measured_from_ + seconds(options_.seconds);
    next_due_ = start_;
    if (options_.rate == 0) {
      for (Client &client : clients_) send(client, start_);
    }
    std::array<epoll_event, 256> events;
    while (Clock::now() < end_) {
      const int timeout = options_.rate > 0 ? 0 : 10;
      const int count = epoll_wait(epoll_, events.data(), events.size(), timeout);
      for (int i = 0; i < count; ++i) receive(clients_[events[i].data.u32]);
      if (options_.rate > 0) pace();
    }
  }

  void report() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double share) {
      if (latencies_.empty()) return 0.0;
      const auto place = static_cast<size_t>(share * static_cast<double>(latencies_.size()));
      return static_cast<double>(latencies_[std::min(place, latencies_.size() - 1)]) / 1e6;
    };
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto cpu = [](const timeval &t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
    std::printf(
        "{\"op\": \"%s\", \"clients\": %d, \"pipeline\": %d, \"rate\": %.0f, "
        "\"ops_per_second\": %.1f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, "
        "\"client_cpu\": %.3f}\n",
        options_.op.c_str(), options_.clients, options_.pipeline, options_.rate,
        double(latencies_.size()) / options_.seconds, at(0.5), at(0.99), at(0.999),
        (cpu(usage.ru_utime) + cpu(usage.ru_stime)) /
            (options_.seconds + options_.warm_up_seconds));
  }

 private:
  struct Client {
    int socket = -1;
    std::string received;
    std::deque<Clock::time_point> sent;  // when each request that is on its way was due
  };

  static Clock::duration seconds(double count) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(count));
  }

  void connect(Client &client) {
    client.socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr);
    if (::connect(client.socket, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
      fail("cannot connect to " + options_.host + ":" + std::to_string(options_.port));
    }
    const int on = 1;
    setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(&client - clients_.data());
    epoll_ctl(epoll_, EPOLL_CTL_ADD, client.socket, &event);
  }

  void append_request() {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    char key[32];
    const int size = std::snprintf(key, sizeof key, "key:%012llu",
                                   static_cast<unsigned long long>((random_ >> 33) % options_.keys));
    if (options_.op == "get") {
      requests_ += "*2\r\n$3\r\nGET\r\n$" + std::to_string(size) + "\r\n" + key + "\r\n";
    } else {
      requests_ += "*3\r\n$3\r\nSET\r\n$" + std::to_string(size) + "\r\n" + key + "\r\n$" +
                   std::to_string(value_.size()) + "\r\n" + value_ + "\r\n";
    }
  }

  // Sends as many requests as the pipeline takes at once.
  void send(Client &client, Clock::time_point due) {
    requests_.clear();
    for (int i = 0; i < options_.pipeline; ++i) {
      append_request();
      client.sent.push_back(due);
    }
    for (std::string_view rest = requests_; !rest.empty();) {
      const ssize_t taken = ::send(client.socket, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (taken <= 0) fail("the server closed the connection");
      rest.remove_prefix(static_cast<size_t>(taken));
    }
  }

  // With a rate: requests leave when they are due, whether or not earlier ones are answered, and
  // latency counts from then on.
  void pace() {
    const auto now = Clock::now();
    const auto step = seconds(options_.pipeline / options_.rate);
    for (; next_due_ <= now; next_due_ += step) {
      send(clients_[next_client_], next_due_);
      next_client_ = (next_client_ + 1) % clients_.size();
    }
  }

  void receive(Client &client) {
    std::array<char, 64 << 10> buffer;
    const ssize_t got = ::recv(client.socket, buffer.data(), buffer.size(), 0);
    if (got <= 0) fail("the server closed the connection");
    client.received.append(buffer.data(), static_cast<size_t>(got));
    const auto now = Clock::now();
    size_t at = 0;
    while (at < client.received.size()) {
      const size_t end = end_of_reply(client.received, at);
      if (end == std::string_view::npos) break;
      at = end;
      if (now >= measured_from_ && now < end_) {
        latencies_.push_back(std::chrono::nanoseconds(now - client.sent.front()).count());
      }
      client.sent.pop_front();
    }
    client.received.erase(0, at);
    if (options_.rate == 0 && client.sent.empty()) send(client, now);
  }

  const Options &options_;
  const int epoll_;
  std::vector<Client> clients_;
  const std::string value_ = std::string(static_cast<size_t>(options_.value_bytes), 'v');
  std::string requests_;
  std::vector<int64_t> latencies_;
  Clock::time_point start_, measured_from_, end_, next_due_;
  size_t next_client_ = 0;
  uint64_t random_ = 1;
};

}  // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Loads a server that speaks RESP; prints one line of JSON.");
  app.option_defaults()->always_capture_default();
  app.add_option("--host", options.host, "An address");
  app.add_option("--port", options.port);
  app.add_option("--op", options.op)->check(CLI::IsMember({"set", "get"}));
  app.add_option("--clients", options.clients, "Connections")->check(CLI::Range(1, 10000));
  app.add_option("--pipeline", options.pipeline, "Requests that a client sends at once")
      ->check(CLI::Range(1, 10000));
  app.add_option("--value-bytes", options.value_bytes)->check(CLI::Range(0, 1 << 20));
  app.add_option("--keys", options.keys, "How many keys there are")->check(CLI::Range(1, 1 << 30));
  app.add_option("--seconds", options.seconds, "What is measured")->check(CLI::PositiveNumber);
  app.add_option("--warm-up-seconds", options.warm_up_seconds)->check(CLI::NonNegativeNumber);
  app.add_option("--rate", options.rate,
                 "Operations per second, sent whether or not earlier ones are answered; 0: each client "
                 "sends when it has its answers")
      ->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, argc, argv);
  Load load(options);
  load.run();
  load.report();
}
