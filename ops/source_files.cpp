#include "ops/source_files.hpp"

#include <filesystem>
#include <system_error>

#include "link/sqlite/file_descriptor.hpp"

namespace lockstep::ops {

std::vector<std::string> files_of_source(const std::string& source) {
  std::vector<std::string> files;
  // SQLite puts its files beside the one that a link leads to; the route file is where it is typed.
  for (const std::string& base : {sqlite::real_path(source), source})
    for (const char* ending : {"", "-wal", "-shm", "-journal", "-lockstep", "-lockstep-route"})
      files.push_back(base + ending);
  return files;
}

std::optional<std::string> named_among(const std::string& path,
                                       const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    std::error_code missing;
    if (sqlite::real_path(path) == sqlite::real_path(file) ||
        std::filesystem::equivalent(path, file, missing))
      return file;
  }
  return std::nullopt;
}

}  // namespace lockstep::ops
