#include "capture/spool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "model/error.hpp"

namespace lockstep::capture {

namespace {

[[noreturn]] void throw_no_room(const std::string& doing, int error) {
  throw Error({.code = "LS-S334",
               .exit = ExitCode::stopped,
               .what = fmt::format("cannot spool changes to a temporary file: {}", doing),
               .why = std::strerror(error),
               .data = "safe: the changes are in the source's change table, and the batch is read "
                       "again from its start",
               .todo = "free space in $TMPDIR (/tmp), or point TMPDIR at a larger disk",
               .retry = Retry::new_session});
}

}  // namespace

void Spool::open() {
  // Not temp_directory_path(): where $TMPDIR is not there, it would leave us a smaller disk
  // silently.
  const char* folder = std::getenv("TMPDIR");
  std::string name = std::string(folder != nullptr && *folder != '\0' ? folder : "/tmp") +
                     "/lockstep-spool-XXXXXX";
  file_ = sqlite::FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (!file_.valid()) throw_no_room("opening " + name, errno);
  ::unlink(name.c_str());
}

void Spool::append(std::string_view bytes) {
  if (!file_.valid()) open();
  while (!bytes.empty()) {
    const ssize_t wrote =
        ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(written_));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) throw_no_room("writing", wrote < 0 ? errno : ENOSPC);
    written_ += static_cast<std::uint64_t>(wrote);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

std::string Spool::take(std::size_t bytes_max) {
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, this->bytes())),
                    '\0');
  std::size_t read = 0;
  while (read < bytes.size()) {
    const ssize_t got = ::pread(file_.get(), bytes.data() + read, bytes.size() - read,
                                static_cast<off_t>(taken_ + read));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw_no_room("reading it back", got < 0 ? errno : EIO);
    read += static_cast<std::size_t>(got);
  }
  taken_ += bytes.size();
  if (empty() && taken_ > 0) {
    if (::ftruncate(file_.get(), 0) != 0) throw_no_room("emptying it", errno);
    taken_ = written_ = 0;
  }
  return bytes;
}

}  // namespace lockstep::capture
