// SPDX-License-Identifier: Apache-2.0
// A database in a directory of its own, removed at the end.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "engine.h"

namespace kvd {

constexpr const char *tests_directory_variable = "KVD_TESTS_DIRECTORY";

// Where the databases of this run are. The first process removes it at its end; those that it
// starts for death tests end without cleaning up, and use the same.
inline const std::string &tests_directory() {
  static const std::string directory = [] {
    if (const char *given = std::getenv(tests_directory_variable)) return std::string(given);
    std::string made = (std::filesystem::temp_directory_path() / "kvd-tests-XXXXXX").string();
    EXPECT_NE(mkdtemp(made.data()), nullptr);
    setenv(tests_directory_variable, made.c_str(), 1);
    std::atexit([] { std::filesystem::remove_all(std::getenv(tests_directory_variable)); });
    return made;
  }();
  return directory;
}

class TestEngine {
 public:
  TestEngine() {
    // RocksDB has threads: a child that is only forked could find one of its locks taken for ever.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    directory_ = tests_directory() + "/XXXXXX";
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    reopen();
  }
  ~TestEngine() {
    engine_.reset();
    std::filesystem::remove_all(directory_);
  }

  // As after a restart of the process.
  void reopen() {
    engine_.reset();
    engine_ = Engine::open(directory_, "test", 1);
  }

  // As after kill -9: with what the files hold now, while the database is open. It works in the
  // background: no file may come or go while they are copied.
  void crash() {
    const std::string copy = directory_ + "-copy";
    EXPECT_TRUE(engine_->db().PauseBackgroundWork().ok());
    EXPECT_TRUE(engine_->db().DisableFileDeletions().ok());
    std::filesystem::copy(directory_, copy, std::filesystem::copy_options::recursive);
    EXPECT_TRUE(engine_->db().ContinueBackgroundWork().ok());  // closing may wait for a flush
    engine_.reset();
    std::filesystem::remove_all(directory_);
    std::filesystem::rename(copy, directory_);
    engine_ = Engine::open(directory_, "test", 1);
  }

  Engine &operator*() { return *engine_; }
  Engine *operator->() { return engine_.get(); }
  const std::string &directory() const { return directory_; }

 private:
  std::string directory_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace kvd
