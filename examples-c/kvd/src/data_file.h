// SPDX-License-Identifier: Apache-2.0
// A file of keys that becomes a part of the database all at once, and durably.
#pragma once

#include <rocksdb/sst_file_writer.h>

#include <string>
#include <string_view>

#include "engine.h"

namespace kvd {

// Changes to the column family `data`, newer than all that is there. It is written without holding
// up other writes to the database. fatal() if the disk does not take it. Any thread may use it.
class DataFile {
 public:
  explicit DataFile(Engine &engine);
  // Removes what was not added to the database.
  ~DataFile();
  DataFile(const DataFile &) = delete;
  DataFile &operator=(const DataFile &) = delete;

  // Keys must rise.
  void put(std::string_view data_key, std::string_view value);
  void erase(std::string_view data_key);
  // Removes what is in the database from `begin` (included) to `end` (excluded), and nothing that
  // this file puts there.
  void clear(std::string_view begin, std::string_view end);
  // Writes to the disk what is not there yet. Some key must have been put.
  void finish();
  // Makes the finished file a part of the database.
  void add_to_database();

 private:
  Engine &engine_;
  const std::string path_;
  rocksdb::SstFileWriter writer_;
};

}  // namespace kvd
