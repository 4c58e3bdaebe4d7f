#include "ops/census_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "link/sqlite/file_descriptor.hpp"
#include "link/sqlite/file_state.hpp"
#include "model/clock.hpp"
#include "ops/version.hpp"

namespace lockstep::ops {

namespace {

namespace fs = std::filesystem;
using sqlite::FileDescriptor;

constexpr std::uint64_t kRowsWorthKeeping = 100'000;  // read again in less than half a second
constexpr std::int64_t kBytesMax = 64 << 20;

std::string version() {
  return version_text() + ", census 1";
}

// Empty: there is no such folder, and none can be made.
std::string folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path base;
  if (cache != nullptr && *cache == '/')
    base = cache;
  else if (home != nullptr && *home == '/')
    base = fs::path(home) / ".cache";
  else
    return {};
  return (base / "lockstep").string();
}

std::string record_path(const std::string& database_path) {
  const std::string in = folder();
  if (in.empty()) return {};
  const std::string real = sqlite::real_path(database_path);
  return fmt::format("{}/census-{:016x}", in, XXH3_64bits(real.data(), real.size()));
}

std::string read_file(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat about {};
  if (!fd.valid() || ::fstat(fd.get(), &about) != 0 || !S_ISREG(about.st_mode) ||
      about.st_uid != ::geteuid() || (about.st_mode & 077) != 0 || about.st_size > kBytesMax)
    return {};
  std::string bytes;
  std::array<char, 65536> buffer{};
  ssize_t got = 0;
  while ((got = ::read(fd.get(), buffer.data(), buffer.size())) > 0)
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  return got == 0 ? bytes : std::string();
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

// A reader finds the old file or the new one. After a power loss it may find neither: another boot.
void write_file(const std::string& path, std::string_view bytes) {
  std::error_code error;
  const fs::path in = fs::path(path).parent_path();
  fs::create_directories(in.parent_path(), error);
  if (::mkdir(in.c_str(), 0700) != 0 && errno != EEXIST) return;
  const std::string partial = fmt::format("{}.{}", path, ::getpid());
  {
    const FileDescriptor fd(
        ::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return;
    if (write_all(fd.get(), bytes) && std::rename(partial.c_str(), path.c_str()) == 0) return;
  }
  ::unlink(partial.c_str());
}

}  // namespace

CensusStore::CensusStore(sqlite::Database& database) : path_(record_path(database.path())) {
  if (path_.empty()) return;
  const auto state = sqlite::file_state(database);
  if (!state) {
    path_.clear();
    return;
  }
  if (auto known = snapshot::decode_census(read_file(path_), version());
      known && known->state == *state)
    record_ = std::move(*known);
  record_.state = *state;
}

const TableCensus* CensusStore::find(const std::string& table, const std::string& asked) {
  const auto found = record_.tables.find(table);
  if (found == record_.tables.end() || found->second.asked != asked) return nullptr;
  known_rows_ += found->second.census.rows;
  saved_seconds_ += found->second.seconds;
  return &found->second.census;
}

void CensusStore::took(const std::string& table, std::string asked, double seconds,
                       const TableCensus& census) {
  if (path_.empty()) return;
  record_.tables.insert_or_assign(table, snapshot::KnownTable{std::move(asked), seconds, census});
  new_ = true;
}

void CensusStore::keep(sqlite::Database& database) const {
  if (path_.empty() || !new_) return;
  std::uint64_t rows = 0;
  for (const auto& [name, known] : record_.tables) rows += known.census.rows;
  if (rows < kRowsWorthKeeping || sqlite::file_state(database) != record_.state) return;
  snapshot::CensusRecord record = record_;
  if (record.taken_us == 0) record.taken_us = wall_now_us();
  write_file(path_, snapshot::encode_census(record, version()));
}

void forget_census(const std::string& database_path) {
  if (const std::string path = record_path(database_path); !path.empty()) ::unlink(path.c_str());
}

}  // namespace lockstep::ops
