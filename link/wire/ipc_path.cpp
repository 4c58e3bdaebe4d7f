#include "link/wire/ipc_path.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "model/error.hpp"

namespace lockstep::wire {

namespace {

constexpr std::string_view kIpcScheme = "ipc://";
constexpr int kListenBacklog = 512;  // as over tcp: a crowd that says nothing leaves room
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

[[noreturn]] void throw_not_ours(const std::string& path, const std::string& why) {
  throw Error({.code = "LS-W516",
               .exit = ExitCode::precondition,
               .what = fmt::format("capture cannot listen at {}", path),
               .why = why,
               .data = "what is there stays, and nothing was sent",
               .todo = "give a path where nothing is, in a folder of this user's own"});
}

[[noreturn]] void throw_taken(const std::string& path) {
  throw Error({.code = "LS-W517",
               .exit = ExitCode::busy,
               .what = fmt::format("another process listens at {}", path),
               .why = "two captures cannot share a path: apply would follow the wrong one",
               .data = "the other one goes on, and nothing was sent",
               .todo = "give each capture a path of its own, or stop the other one"});
}

[[noreturn]] void throw_refused_by_system(const std::string& path, const char* doing, int number) {
  throw Error({.code = "LS-W510",
               .exit = ExitCode::unreachable,
               .what = fmt::format("cannot listen at {}", path),
               .why = fmt::format("{}: {}", doing, std::strerror(number)),
               .data = "nothing was sent",
               .todo = "the folder has to exist, and this user has to be able to write there",
               .foreign = fmt::format("errno {}", number),
               .retry = Retry::new_session});
}

[[noreturn]] void throw_foreign(const std::string& path, const std::string& why) {
  throw Error({.code = "LS-W518",
               .exit = ExitCode::precondition,
               .what = fmt::format("{} is not followed", path),
               .why = why,
               .data = "nothing was sent to it, and nothing that it says is applied",
               .todo = "run apply as the user that capture runs as, over a path in a folder where "
                       "nobody else may write"});
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    throw_refused_by_system(path, "the path", ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

bool still_names(const std::string& path, int fd) {
  struct stat named {};
  struct stat open {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(fd, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

/// 0 if somebody accepts there, else the errno.
int try_connect(const std::string& path) {
  const sockaddr_un address = unix_address(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw_refused_by_system(path, "a socket cannot be made", errno);
  const int answer = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int number = answer == 0 ? 0 : errno;
  ::close(fd);
  return number;
}

}  // namespace

IpcListener::IpcListener(std::string path)
    : path_(std::move(path)), lock_path_(ipc_lock_path(path_)) {
  try {
    lock();
    remove_dead();
    listen();
  } catch (...) {
    clean_up();
    throw;
  }
}

IpcListener::~IpcListener() {
  clean_up();
}

int IpcListener::release() {
  return std::exchange(fd_, -1);
}

void IpcListener::lock() {
  for (;;) {  // each further turn means that another holder came and went
    const int fd = ::open(lock_path_.c_str(),
                          O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, kOwnerOnly);
    if (fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
      throw_not_ours(lock_path_, "it is no regular file; it would be capture's lock file");
    if (fd < 0) throw_refused_by_system(lock_path_, "the lock file", errno);
    struct stat about {};
    const bool usable = ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == 0 &&
                        about.st_nlink <= 1 && about.st_uid == ::geteuid();
    if (!usable) {
      ::close(fd);
      throw_not_ours(lock_path_,
                     "it would be capture's lock file, and is not an empty file of "
                     "this user's with one name");
    }
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int number = errno;
      ::close(fd);
      if (number == EINTR) continue;
      if (number == EWOULDBLOCK) throw_taken(path_);
      throw_refused_by_system(lock_path_, "flock", number);
    }
    if (still_names(lock_path_, fd)) {
      lock_fd_ = fd;
      return;
    }
    ::close(fd);
  }
}

// The file is removed only if it is a socket of this user's that nobody listens on.
void IpcListener::remove_dead() {
  struct stat about {};
  if (::lstat(path_.c_str(), &about) != 0) {
    if (errno == ENOENT) return;
    throw_refused_by_system(path_, "the path", errno);
  }
  if (!S_ISSOCK(about.st_mode)) throw_not_ours(path_, "something that is no socket is there");
  if (about.st_uid != ::geteuid())
    throw_not_ours(path_, fmt::format("a socket of user {} is there", about.st_uid));
  const int answer = try_connect(path_);
  if (answer == 0 || answer == EAGAIN) throw_taken(path_);
  if (answer != ECONNREFUSED && answer != ENOENT)
    throw_not_ours(path_, fmt::format("a socket is there, and: {}", std::strerror(answer)));
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
    throw_refused_by_system(path_, "the dead socket cannot be removed", errno);
}

void IpcListener::listen() {
  const sockaddr_un address = unix_address(path_);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) throw_refused_by_system(path_, "a socket cannot be made", errno);
  // bind() gives the file this mode without the umask's bits, so there is no moment without it; and
  // unlike the umask it is no other thread's matter.
  static_cast<void>(::fchmod(fd_, kOwnerOnly));
  if (::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EADDRINUSE) throw_taken(path_);
    throw_refused_by_system(path_, "bind", errno);
  }
  struct stat about {};
  made_ = ::lstat(path_.c_str(), &about) == 0;
  device_ = about.st_dev;
  inode_ = about.st_ino;
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    throw_not_ours(path_, "this file system gives others rights to the socket");
  if (::listen(fd_, kListenBacklog) != 0) throw_refused_by_system(path_, "listen", errno);
}

void IpcListener::clean_up() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  struct stat about {};
  if (std::exchange(made_, false) && ::lstat(path_.c_str(), &about) == 0 &&
      about.st_dev == device_ && about.st_ino == inode_)
    static_cast<void>(::unlink(path_.c_str()));
  if (lock_fd_ < 0) return;
  if (still_names(lock_path_, lock_fd_)) static_cast<void>(::unlink(lock_path_.c_str()));
  ::close(std::exchange(lock_fd_, -1));
}

std::string ipc_path(const std::string& endpoint) {
  return endpoint.starts_with(kIpcScheme) ? endpoint.substr(kIpcScheme.size()) : std::string();
}

std::string ipc_lock_path(const std::string& path) {
  return path + ".lock";
}

void refuse_foreign_listener(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return;
  if (!S_ISSOCK(about.st_mode)) throw_foreign(path, "it is no socket");
  if (about.st_uid != ::geteuid() && about.st_uid != 0)
    throw_foreign(path, fmt::format("the socket belongs to user {}", about.st_uid));
}

void refuse_foreign_peer(const std::string& path, std::string_view peer) {
  for (int passed = 0; passed < 2; ++passed) {  // PID, GID
    const std::size_t colon = peer.rfind(':');
    if (colon == std::string_view::npos) return;
    peer = peer.substr(0, colon);
  }
  const std::string_view digits = peer.substr(peer.rfind(':') + 1);
  uid_t user = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), user);
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) return;
  if (user != ::geteuid() && user != 0)
    throw_foreign(path, fmt::format("who listens there is user {}", user));
}

}  // namespace lockstep::wire
