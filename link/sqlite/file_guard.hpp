// Notices when the application's files are no longer those that SQLite has open.
#pragma once

#include <optional>
#include <string>

namespace lockstep::sqlite {

/// Compares device and inode of the names with those seen first: an open descriptor goes on reading
/// a file that was moved away or deleted, and shows no error. Asks with stat() only. One thread.
class FileGuard {
 public:
  /// Takes note of the database. Make it before the database is opened: one that is replaced in
  /// between is then noticed too.
  explicit FileGuard(std::string database_path);

  /// Throws Error LS-S312 if the path names another database file, or none; LS-S313 if `-wal` or
  /// `-shm` is not the one that was there at the first look in WAL mode. While a connection of ours
  /// is open in WAL mode nobody may delete either: SQLite's last connection to close does that.
  /// `in_wal_mode`: what a connection that has read says of itself.
  void look(bool in_wal_mode);

  /// Our connections are opened anew: `-wal` and `-shm` may have gone with the old ones.
  void reopened();

 private:
  struct Identity {
    unsigned long device = 0;
    unsigned long inode = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  [[nodiscard]] static std::optional<Identity> identity_of(const std::string& path);
  void look_beside(const char* suffix, std::optional<Identity>& seen) const;

  std::string path_;  // as given: a link may be pointed elsewhere
  std::string real_;  // SQLite puts -wal and -shm beside it
  std::optional<Identity> database_, wal_, shm_;
};

}  // namespace lockstep::sqlite
