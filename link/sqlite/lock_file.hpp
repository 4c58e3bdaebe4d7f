// One lockstep per source: a locked file beside the database, which also carries the live status.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "link/sqlite/file_descriptor.hpp"

namespace lockstep::sqlite {

/// `<database>-lockstep`, held with flock() while a run lives and removed when it ends cleanly. The
/// kernel drops the lock with the process, so a stale file after kill -9 blocks nobody. (Take, then
/// check that the path still names the inode that was locked: the holder may just have removed it.)
/// Mode 0600.
class LockFile {
 public:
  /// Nothing if another process holds it. Throws Error LS-S331 if the file cannot be used (no
  /// permission, a symbolic link, a second hard link).
  [[nodiscard]] static std::optional<LockFile> take(const std::string& database_path);
  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&&) = delete;

  /// Replaces the content: one line "<XXH3-64 of text, 16 hex digits>\n" and then the text, so that
  /// a reader can tell a torn read. Throws Error LS-S331 if it cannot be written (disk full); the
  /// lock is kept.
  void publish(std::string_view text);
  /// Removes the file; the lock goes with this object.
  void remove();

 private:
  LockFile(FileDescriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  FileDescriptor fd_;
  std::string path_;
};

struct PublishedStatus {
  bool alive = false;  ///< somebody holds the lock
  std::string text;    ///< last published text; empty if none or torn
};

/// Reads what a run published, without disturbing it. Nothing if there is no such file.
[[nodiscard]] std::optional<PublishedStatus> read_published(const std::string& database_path);

}  // namespace lockstep::sqlite
