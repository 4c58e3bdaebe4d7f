#include "ops/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "model/error.hpp"
#include "ops/source_files.hpp"

namespace lockstep::ops {

namespace {

[[noreturn]] void throw_no_output(const std::string& path, const std::string& flag,
                                  const std::string& why) {
  throw Error({.code = "LS-C132",
               .exit = ExitCode::usage,
               .what = fmt::format("{} cannot be written", path),
               .why = why,
               .data = "nothing else was touched, and what was there stays",
               .todo = fmt::format("check the path given with {}", flag)});
}

/// 0, or the errno of what went wrong.
int put_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

void check_output(const std::string& path, const std::string& flag, const std::string& source) {
  if (path.empty()) return;
  if (const auto file = named_among(path, files_of_source(source)))
    throw Error({.code = "LS-C127",
                 .exit = ExitCode::usage,
                 .what = fmt::format("{} {} would write over a file of the source", flag, path),
                 .why = fmt::format("it is {}", *file),
                 .data = "nothing was touched",
                 .todo = fmt::format("give another path with {}", flag)});
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) return;
  if (S_ISLNK(about.st_mode)) throw_no_output(path, flag, "it is a symbolic link");
  if (!S_ISREG(about.st_mode)) throw_no_output(path, flag, "it is no regular file");
}

void write_output(const std::string& path, const std::string& flag, const std::string& source,
                  std::string_view text) {
  check_output(path, flag, source);
  const std::string fresh = fmt::format("{}.{}", path, ::getpid());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        S_IRUSR | S_IWUSR);
  if (fd < 0) throw_no_output(path, flag, std::strerror(errno));
  int failed = put_all(fd, text);
  if (::close(fd) != 0 && failed == 0) failed = errno;
  if (failed == 0 && std::rename(fresh.c_str(), path.c_str()) != 0) failed = errno;
  if (failed == 0) return;
  ::unlink(fresh.c_str());
  throw_no_output(path, flag, std::strerror(failed));
}

}  // namespace lockstep::ops
