#include "link/sqlite/file_state.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>

#include "link/sqlite/file_descriptor.hpp"
#include "link/sqlite/filesystem.hpp"
#include "model/clock.hpp"

namespace lockstep::sqlite {

namespace {

constexpr std::size_t kFileHeaderBytes = 100;  // https://www.sqlite.org/fileformat2.html, 1.3
constexpr std::int64_t kSaltsAt = 16;          // of the WAL, 4.1

// The kernel stamps files with a clock that moves every 1 to 10 ms. Some file systems keep seconds
// only, FAT two of them: their times have no odd nanoseconds.
constexpr std::int64_t kTickUs = 50'000, kCoarseTickUs = 2'100'000;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

struct Times {
  std::int64_t newest_ns = 0;
  bool fine = false;
  void see(const struct stat& file) {
    for (const timespec& time : {file.st_mtim, file.st_ctim}) {
      newest_ns = std::max(newest_ns, nanoseconds(time));
      fine = fine || time.tv_nsec % 1'000'000 != 0;
    }
  }
  /// The next write has a later time than all of these.
  [[nodiscard]] bool past() const {
    return newest_ns / 1'000 + (fine ? kTickUs : kCoarseTickUs) < wall_now_us();
  }
};

std::string describe(const struct stat& file) {
  return fmt::format("{}:{}:{}:{}:{}", file.st_dev, file.st_ino, file.st_size,
                     nanoseconds(file.st_mtim), nanoseconds(file.st_ctim));
}

std::string in_hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// By SQLite's own descriptor: closing another one would drop this process's locks.
std::optional<std::string> read(Database& database, int which, std::int64_t at, std::size_t count) {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(database.handle(), "main", which, &file) != SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr)
    return std::nullopt;
  std::string bytes(count, '\0');
  if (file->pMethods->xRead(file, bytes.data(), static_cast<int>(count), at) != SQLITE_OK)
    return std::nullopt;
  return in_hex(bytes);
}

// Empty is as good as none: readers make one and leave it.
std::optional<std::string> wal(Database& database, const std::string& path, Times& times) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0)
    return errno == ENOENT ? std::optional<std::string>("none") : std::nullopt;
  if (about.st_size == 0) return "none";
  times.see(about);
  const auto salts = read(database, SQLITE_FCNTL_JOURNAL_POINTER, kSaltsAt, 8);
  return fmt::format("{} {}", describe(about), salts.value_or("not in use"));
}

bool is_local(const std::string& path) {
  try {
    return require_local(path).kind == FilesystemKind::local;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::string file_identity(const std::string& path) {
  struct statx about {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &about) != 0) return {};
  // Numbers of inodes are given out again, and those of devices change with the next boot.
  if ((about.stx_mask & STATX_BTIME) != 0)
    return fmt::format("{}:{}.{:09}", about.stx_ino, about.stx_btime.tv_sec,
                       about.stx_btime.tv_nsec);
  return fmt::format("{}:{}:{}", about.stx_dev_major, about.stx_dev_minor, about.stx_ino);
}

std::string boot_id() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id;
}

std::optional<std::string> file_state(Database& database) {
  const std::string path = real_path(database.path());
  const std::string boot = boot_id();  // after a crash a file may have its times and not its bytes
  if (boot.empty() || !is_local(path)) return std::nullopt;
  // A writer in rollback-journal mode does not write while somebody reads.
  const Transaction view(database, Transaction::Mode::deferred);
  const std::int64_t schema_version = database.pragma_int("schema_version");
  Times times;
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  times.see(about);
  const auto log = wal(database, path + "-wal", times);
  const auto first_page = read(database, SQLITE_FCNTL_FILE_POINTER, 0, kFileHeaderBytes);
  if (!log || !first_page || !times.past()) return std::nullopt;
  return fmt::format("{} | {} | {} | {} | {} | {}", path, describe(about), schema_version,
                     *first_page, *log, boot);
}

}  // namespace lockstep::sqlite
