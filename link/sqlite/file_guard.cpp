#include "link/sqlite/file_guard.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "link/sqlite/file_descriptor.hpp"
#include "model/error.hpp"

namespace lockstep::sqlite {

FileGuard::FileGuard(std::string database_path)
    : path_(std::move(database_path)), real_(real_path(path_)), database_(identity_of(path_)) {}

std::optional<FileGuard::Identity> FileGuard::identity_of(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return Identity{about.st_dev, about.st_ino};
}

void FileGuard::look(bool in_wal_mode) {
  const std::optional<Identity> now = identity_of(path_);
  if (now != database_)
    throw Error({.code = "LS-S312",
                 .exit = ExitCode::stopped,
                 .what = fmt::format("{} is no longer the file that is being followed", path_),
                 .why = now && database_
                            ? fmt::format("another file was put in its place (inode {}, it was {})",
                                          now->inode, database_->inode)
                            : "it was moved away or deleted",
                 .data = "stopped; the target has what the file before it had",
                 .todo = "if that was not wanted, put the file back and run again; else lockstep "
                         "remove SOURCE TARGET, drop the copied tables, run again: a new copy is "
                         "needed"});
  if (!in_wal_mode) {
    reopened();
    return;
  }
  look_beside("-wal", wal_);
  look_beside("-shm", shm_);
}

void FileGuard::look_beside(const char* suffix, std::optional<Identity>& seen) const {
  const std::optional<Identity> now = identity_of(real_ + suffix);
  if (now && !seen) seen = now;
  if (now && now == seen) return;
  throw Error(
      {.code = "LS-S313",
       .exit = ExitCode::stopped,
       .what =
           fmt::format("{}{} was deleted or replaced while the database is in use", real_, suffix),
       .why = "connections that have the old file open and those that open a new one no longer see "
              "each other's commits; SQLite's documentation names this as a way to lose them",
       .data = "stopped; nothing is read from a database in that state",
       .todo = "stop the application, run PRAGMA integrity_check on the source and look whether "
               "its last commits are there, then run again"});
}

void FileGuard::reopened() {
  wal_.reset();
  shm_.reset();
}

}  // namespace lockstep::sqlite
