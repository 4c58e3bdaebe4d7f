// Owns a file descriptor. Never for the database file itself: closing any descriptor of it drops
// the process's locks on it (SQLite's are POSIX locks).
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace lockstep::sqlite {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() { reset(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  void reset() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// The database's own absolute path: SQLite follows symbolic links, and puts -wal and -journal
/// beside the real file.
[[nodiscard]] inline std::string real_path(const std::string& database_path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(database_path, error);
  return error ? database_path : real.string();
}

}  // namespace lockstep::sqlite
