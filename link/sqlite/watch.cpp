#include "link/sqlite/watch.hpp"

#include <limits.h>
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace lockstep::sqlite {

namespace {

// WAL commits modify -wal; journal modes create, modify or delete -journal and modify the database;
// a database that is put back is moved in. Nothing else: reads of ours must not wake us.
constexpr std::uint32_t kEvents =
    IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::size_t kBufferBytes = 64 * (sizeof(inotify_event) + NAME_MAX + 1);

bool names_database(std::string_view base, std::string_view name) {
  if (!name.starts_with(base)) return false;
  const std::string_view suffix = name.substr(base.size());
  return suffix.empty() || suffix == "-wal" || suffix == "-journal";
}

}  // namespace

Watch::Watch(const std::string& database_path) {
  const std::filesystem::path real = real_path(database_path);
  base_ = real.filename().string();
  const std::string directory = real.has_parent_path() ? real.parent_path().string() : ".";
  FileDescriptor fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd.valid() && ::inotify_add_watch(fd.get(), directory.c_str(), kEvents) >= 0)
    fd_ = std::move(fd);
}

bool Watch::drain() {
  bool about_database = false;
  alignas(inotify_event) std::array<char, kBufferBytes> buffer{};
  while (fd_.valid()) {
    const ssize_t bytes = ::read(fd_.get(), buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    for (const char* at = buffer.data(); at < buffer.data() + bytes;) {
      inotify_event event{};
      std::memcpy(&event, at, sizeof event);
      const char* name = at + sizeof event;
      at = name + event.len;
      // Events were lost, or the directory went away: the reader had better look.
      if ((event.mask &
           (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0)
        about_database = true;
      // A directory under another name tells nothing about ours any more.
      if ((event.mask & (IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) {
        fd_.reset();
        return true;
      }
      if (event.len > 0 && names_database(base_, name)) about_database = true;
    }
  }
  return about_database;
}

}  // namespace lockstep::sqlite
