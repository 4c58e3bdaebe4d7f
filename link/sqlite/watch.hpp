// Wakes when something is written beside the database: inotify on its directory.
#pragma once

#include <string>

#include "link/sqlite/file_descriptor.hpp"

namespace lockstep::sqlite {

/// The event comes before the commit is visible (with synchronous=FULL nearly always), so a reader
/// that finds nothing polls again for a while. -wal can be deleted and re-created, hence the
/// directory is watched. Only the database, its -wal and its -journal count. Where inotify is
/// refused (limit of watches), fd() is -1 and the slow poll has to do.
class Watch {
 public:
  explicit Watch(const std::string& database_path);

  /// Readable when events wait. For poll(). -1: no watch (also once the directory is gone).
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Empties the queue; true if any event was about the database. Never blocks.
  [[nodiscard]] bool drain();

 private:
  FileDescriptor fd_;
  std::string base_;  // the database's file name
};

}  // namespace lockstep::sqlite
