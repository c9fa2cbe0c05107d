// SPDX-License-Identifier: Apache-2.0
// A database in a directory of its own, removed at the end.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "engine.h"

namespace kvd {

class TestEngine {
 public:
  TestEngine() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kvd-test-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
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
