// Loaded into a process by LD_PRELOAD: a disk, a clock and a resolver that fail as the test says.
// What the environment does not ask for goes to the C library untouched.
//
//   FAULTY_DISK_NAME    of the database, as "app.db"; its -wal and -journal belong to it
//   FAULTY_DISK_SHADOW  folder of what would survive a power loss: fsync of a file copies it there,
//                       fsync of its folder removes there what is gone from it
//   FAULTY_DISK_READS   file; while it says "eio" reads of the database fail, "short": are empty
//   FAULTY_DISK_WRITES  file that gets the name of each of these files that is written to
//   FAULTY_DISK_FREE    file with the bytes that statvfs() tells as free
//   FAULTY_DISK_FULL    file; while it is there no file below a folder of the name that it says can
//                       grow (ENOSPC)
//   FAULTY_DISK_MAGIC   number in hex that statfs() tells as type
//   FAULTY_CLOCK        file with the seconds by which the wall clock is off
//   FAULTY_NAMES        file; while it is there nobody answers who knows the names of hosts
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <string>

namespace {

template <class Function>
Function* below(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::string path_of(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  char path[PATH_MAX];
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  return size < 0 ? std::string() : std::string(path, static_cast<std::size_t>(size));
}

std::string base(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

/// Whether `name` is the database or one of its files but -shm.
bool ours(const std::string& name) {
  const char* database = ::getenv("FAULTY_DISK_NAME");
  if (database == nullptr || name.rfind(database, 0) != 0) return false;
  const std::string suffix = name.substr(::strlen(database));
  return suffix.empty() || suffix == "-wal" || suffix == "-journal";
}

/// What the file that `variable` names says; empty if there is none.
std::string said(const char* variable) {
  const char* path = ::getenv(variable);
  if (path == nullptr) return {};
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[64];
  static auto* const real_read = below<ssize_t(int, void*, size_t)>("read");
  const ssize_t size = real_read(fd, text, sizeof text);
  ::close(fd);
  return size <= 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

ssize_t real_pread(int fd, void* to, size_t size, off_t at) {
  static auto* const real = below<ssize_t(int, void*, size_t, off_t)>("pread64");
  return real(fd, to, size, at);
}
ssize_t real_pwrite(int fd, const void* from, size_t size, off_t at) {
  static auto* const real = below<ssize_t(int, const void*, size_t, off_t)>("pwrite64");
  return real(fd, from, size, at);
}

/// Reads through the descriptor that is there: opening and closing the database once more would
/// drop this process's locks on it.
void copy_to(int fd, const std::string& path) {
  const std::string fresh = path + "~";
  const int out = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  static char buffer[1 << 16];
  off_t at = 0;
  for (ssize_t size = 0; (size = real_pread(fd, buffer, sizeof buffer, at)) > 0; at += size)
    if (real_pwrite(out, buffer, static_cast<size_t>(size), at) != size) ::abort();
  ::close(out);
  if (::rename(fresh.c_str(), path.c_str()) != 0) ::abort();
}

void forget_missing(const std::string& folder, const std::string& shadow) {
  const std::string database = ::getenv("FAULTY_DISK_NAME");
  for (const char* suffix : {"", "-wal", "-journal"}) {
    const std::string name = "/" + database + suffix;
    if (::access((folder + name).c_str(), F_OK) != 0) ::unlink((shadow + name).c_str());
  }
}

/// Processes take turns, else one's older copy could come after another's newer one.
void survive(int fd) {
  const char* shadow = ::getenv("FAULTY_DISK_SHADOW");
  const std::string path = path_of(fd);
  struct stat about {};
  if (shadow == nullptr || path.empty() || ::fstat(fd, &about) != 0) return;
  const bool folder = S_ISDIR(about.st_mode);
  if (!folder && !ours(base(path))) return;
  const int saved = errno;
  const int lock =
      ::open((std::string(shadow) + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ::flock(lock, LOCK_EX);
  if (folder)
    forget_missing(path, shadow);
  else
    copy_to(fd, std::string(shadow) + "/" + base(path));
  ::close(lock);
  errno = saved;
}

void note_write(int fd) {
  const char* path = ::getenv("FAULTY_DISK_WRITES");
  if (path == nullptr) return;
  const std::string name = base(path_of(fd));
  if (!ours(name)) return;
  const std::string line = name + "\n";
  const int log = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  static auto* const real_write = below<ssize_t(int, const void*, size_t)>("write");
  if (real_write(log, line.data(), line.size()) < 0) ::abort();
  ::close(log);
}

/// Whether the disk has no room for that write. What a file has already may be written over.
bool is_full(int fd, size_t size, off_t at) {
  const std::string folder = said("FAULTY_DISK_FULL");
  if (folder.empty()) return false;
  struct stat about {};
  return path_of(fd).find("/" + folder + "/") != std::string::npos && ::fstat(fd, &about) == 0 &&
         at + static_cast<off_t>(size) > about.st_size;
}

ssize_t faulty_pwrite(int fd, const void* from, size_t size, off_t at) {
  note_write(fd);
  if (is_full(fd, size, at)) {
    errno = ENOSPC;
    return -1;
  }
  return real_pwrite(fd, from, size, at);
}

ssize_t faulty_pread(int fd, void* to, size_t size, off_t at) {
  if (::getenv("FAULTY_DISK_READS") != nullptr && ours(base(path_of(fd)))) {
    const std::string fault = said("FAULTY_DISK_READS");
    if (fault == "short") return 0;
    if (fault == "eio") {
      errno = EIO;
      return -1;
    }
  }
  return real_pread(fd, to, size, at);
}

template <class About>
int faulty_statvfs(const char* name, const char* path, About* about) {
  auto* const real = below<int(const char*, About*)>(name);
  const int answer = real(path, about);
  const std::string free = said("FAULTY_DISK_FREE");
  if (answer == 0 && !free.empty())
    about->f_bavail = ::strtoull(free.c_str(), nullptr, 10) / about->f_frsize;
  return answer;
}

template <class About>
int faulty_statfs(const char* name, const char* path, About* about) {
  auto* const real = below<int(const char*, About*)>(name);
  const int answer = real(path, about);
  const char* magic = ::getenv("FAULTY_DISK_MAGIC");
  if (answer == 0 && magic != nullptr)
    about->f_type = static_cast<decltype(about->f_type)>(::strtoull(magic, nullptr, 16));
  return answer;
}

time_t clock_is_off() {
  if (::getenv("FAULTY_CLOCK") == nullptr) return 0;
  return ::strtol(said("FAULTY_CLOCK").c_str(), nullptr, 10);
}

/// An address in digits needs nobody's answer.
bool is_name(const char* host) {
  return host != nullptr && ::strpbrk(host, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ") != nullptr;
}

}  // namespace

extern "C" {

int getaddrinfo(const char* host, const char* service, const struct addrinfo* hints,
                struct addrinfo** found) {
  static auto* const real =
      below<int(const char*, const char*, const struct addrinfo*, struct addrinfo**)>(
          "getaddrinfo");
  const char* silent = ::getenv("FAULTY_NAMES");
  while (silent != nullptr && is_name(host) && ::access(silent, F_OK) == 0) ::usleep(20'000);
  return real(host, service, hints, found);
}

int fsync(int fd) {
  survive(fd);
  static auto* const real = below<int(int)>("fsync");
  return ::getenv("FAULTY_DISK_SHADOW") != nullptr ? 0 : real(fd);
}
int fdatasync(int fd) {
  survive(fd);
  static auto* const real = below<int(int)>("fdatasync");
  return ::getenv("FAULTY_DISK_SHADOW") != nullptr ? 0 : real(fd);
}
ssize_t pread(int fd, void* to, size_t size, off_t at) {
  return faulty_pread(fd, to, size, at);
}
ssize_t pread64(int fd, void* to, size_t size, off_t at) {
  return faulty_pread(fd, to, size, at);
}
ssize_t pwrite(int fd, const void* from, size_t size, off_t at) {
  return faulty_pwrite(fd, from, size, at);
}
ssize_t pwrite64(int fd, const void* from, size_t size, off_t at) {
  return faulty_pwrite(fd, from, size, at);
}
int ftruncate64(int fd, off_t size) noexcept {
  note_write(fd);
  static auto* const real = below<int(int, off_t)>("ftruncate64");
  return real(fd, size);
}
int statvfs(const char* path, struct statvfs* about) noexcept {
  return faulty_statvfs("statvfs", path, about);
}
int statfs(const char* path, struct statfs* about) noexcept {
  return faulty_statfs("statfs", path, about);
}
int clock_gettime(clockid_t clock, struct timespec* now) noexcept {
  static auto* const real = below<int(clockid_t, struct timespec*)>("clock_gettime");
  const int answer = real(clock, now);
  if (answer == 0 && clock == CLOCK_REALTIME) now->tv_sec += clock_is_off();
  return answer;
}
}
