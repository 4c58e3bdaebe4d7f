// Unix sockets by their path: libzmq removes whatever is where it is to listen, and connects to
// whoever listens there.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace lockstep::wire {

/// A socket that listens at a path where nothing was, or a dead socket of our own user. Beside it
/// PATH.lock is held with flock() meanwhile, so that of two processes that find the same dead
/// socket only one removes it. Mode 0600 whatever the umask. Both files go with this object, if
/// they are still the ones that it made.
class IpcListener {
 public:
  /// Throws LS-W516 (exit 3: something else is there, and stays), LS-W517 (exit 8: another process
  /// listens there), LS-W510 (exit 5: the system refuses).
  explicit IpcListener(std::string path);
  ~IpcListener();
  IpcListener(const IpcListener&) = delete;
  IpcListener& operator=(const IpcListener&) = delete;

  /// The listening descriptor; who takes it closes it.
  [[nodiscard]] int release();

 private:
  void lock();
  void remove_dead();
  void listen();
  void clean_up() noexcept;

  std::string path_, lock_path_;
  int lock_fd_ = -1, fd_ = -1;
  bool made_ = false;  // the socket's file, which is:
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// The path of an ipc endpoint; empty for another one.
[[nodiscard]] std::string ipc_path(const std::string& endpoint);

/// The lock file beside it.
[[nodiscard]] std::string ipc_lock_path(const std::string& path);

/// Throws LS-W518 (exit 3) if what is at `path` is no socket, or that of neither our user nor root.
/// Nothing there is no error: capture may come later.
void refuse_foreign_listener(const std::string& path);

/// The same of who answered. `peer`: "NAME:UID:GID:PID" of the process that listens, as libzmq has
/// it from the kernel; anything else says nothing.
void refuse_foreign_peer(const std::string& path, std::string_view peer);

}  // namespace lockstep::wire
