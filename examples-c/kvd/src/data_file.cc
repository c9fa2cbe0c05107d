// SPDX-License-Identifier: Apache-2.0
#include "data_file.h"

#include <filesystem>

#include "log.h"

namespace kvd {
namespace {

void require(const rocksdb::Status &status) {
  if (!status.ok()) fatal("cannot write to the database: %s", status.ToString().c_str());
}

}  // namespace

DataFile::DataFile(Engine &engine)
    : engine_(engine),
      path_(engine.new_data_file()),
      writer_(rocksdb::EnvOptions(), engine.data_options(), engine.data()) {
  require(writer_.Open(path_));
}

DataFile::~DataFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void DataFile::put(std::string_view data_key, std::string_view value) {
  require(writer_.Put(slice_of(data_key), slice_of(value)));
}

void DataFile::erase(std::string_view data_key) { require(writer_.Delete(slice_of(data_key))); }

void DataFile::clear(std::string_view begin, std::string_view end) {
  require(writer_.DeleteRange(slice_of(begin), slice_of(end)));
}

void DataFile::finish() { require(writer_.Finish()); }

void DataFile::add_to_database() {
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;  // the file is on the disk: it need not be touched again
  require(engine_.db().IngestExternalFile(engine_.data(), {path_}, options));
}

}  // namespace kvd
