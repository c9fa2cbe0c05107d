// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <exception>

#include "config.h"
#include "log.h"
#include "store.h"

int main(int argc, char **argv) {
  int exit_code = 0;
  const auto config = kvd::parse_command_line(argc, argv, exit_code);
  if (!config) return exit_code;
  std::signal(SIGPIPE, SIG_IGN);
  // A file at its limit is an error of write() then, and is reported as such.
  std::signal(SIGXFSZ, SIG_IGN);
  kvd::log_init(config->log_level, config->id);
  try {
    kvd::Store store(*config);
    store.run();
  } catch (const std::exception &problem) {
    kvd::fatal("%s", problem.what());
  }
  kvd::log_end();
  return 0;
}
