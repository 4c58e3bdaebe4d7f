#include "link/sqlite/lock_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "model/clock.hpp"
#include "model/error.hpp"

namespace lockstep::sqlite {

namespace {

constexpr std::size_t kDigestBytes = 16;
constexpr std::size_t kHeadBytes = kDigestBytes + 1;
// Far above any status; bounds what a reader takes in.
constexpr std::size_t kContentBytesMax = std::size_t{16} << 20;
// Without waiting for a pipe, without following a link.
constexpr int kOpenFlags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
// A publish may come between two reads of ours, and on a busy machine it may take a while.
constexpr int kReadsMax = 100;
constexpr Milliseconds kReadGap{2};
// read_published() holds the lock for some microseconds to see whether it is free: not to be taken
// for a run.
constexpr int kTakesMax = 20;
constexpr Milliseconds kTakeGap{1};

std::string path_beside(const std::string& database_path) {
  return real_path(database_path) + "-lockstep";
}

[[noreturn]] void throw_unusable(const std::string& path, const std::string& why,
                                 const std::string& foreign = {}) {
  throw Error(
      {.code = "LS-S331",
       .exit = ExitCode::precondition,
       .what = fmt::format("the lock file {} cannot be used", path),
       .why = why,
       .data = "nothing was touched",
       .todo = fmt::format("look at it (ls -l {}) and remove it if no lockstep runs; lockstep "
                           "must be able to create files beside the database",
                           path),
       .foreign = foreign});
}

[[noreturn]] void throw_errno(const std::string& path, int number) {
  throw_unusable(path, std::strerror(number), fmt::format("errno {}", number));
}

std::string digest_line(std::string_view text) {
  return fmt::format("{:016x}\n", XXH3_64bits(text.data(), text.size()));
}

/// False if somebody else holds it.
bool try_lock(const FileDescriptor& fd, int operation, const std::string& path) {
  while (::flock(fd.get(), operation | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw_errno(path, errno);
  }
  return true;
}

bool lock_patiently(const FileDescriptor& fd, const std::string& path) {
  for (int tries = 1; tries < kTakesMax; ++tries) {
    if (try_lock(fd, LOCK_EX, path)) return true;
    std::this_thread::sleep_for(kTakeGap);
  }
  return try_lock(fd, LOCK_EX, path);
}

struct stat status_of(const FileDescriptor& fd, const std::string& path) {
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) throw_errno(path, errno);
  return about;
}

/// Whether the path still names the file that `about` describes.
bool still_named(const std::string& path, const struct stat& about) {
  struct stat named {};
  return ::lstat(path.c_str(), &named) == 0 && named.st_dev == about.st_dev &&
         named.st_ino == about.st_ino;
}

/// Whoever owns the lock file can say in it what he likes, and status and wait would believe it.
void refuse_foreign(const std::string& path, const struct stat& about,
                    const std::string& database_path) {
  struct stat database {};
  const bool known = ::stat(real_path(database_path).c_str(), &database) == 0;
  if (about.st_uid != ::geteuid() && !(known && about.st_uid == database.st_uid))
    throw_unusable(path, fmt::format("it belongs to another user (uid {})", about.st_uid));
}

std::string read_content(const FileDescriptor& fd, const std::string& path) {
  const auto size = static_cast<std::size_t>(status_of(fd, path).st_size);
  if (size > kContentBytesMax) return {};
  std::string content(size, '\0');
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t bytes = ::pread(fd.get(), content.data() + filled, content.size() - filled,
                                  static_cast<off_t>(filled));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) throw_errno(path, errno);
    if (bytes == 0) break;
    filled += static_cast<std::size_t>(bytes);
  }
  content.resize(filled);
  return content;
}

/// The published text; nothing if the content is torn.
std::optional<std::string> whole_text(const std::string& content) {
  if (content.size() < kHeadBytes) return std::nullopt;
  std::string text = content.substr(kHeadBytes);
  if (content.compare(0, kHeadBytes, digest_line(text)) != 0) return std::nullopt;
  return text;
}

}  // namespace

std::optional<LockFile> LockFile::take(const std::string& database_path) {
  const std::string path = path_beside(database_path);
  for (;;) {  // each further turn means that another holder came and went
    FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | kOpenFlags, S_IRUSR | S_IWUSR));
    if (!fd.valid()) throw_errno(path, errno);
    if (!lock_patiently(fd, path)) return std::nullopt;
    const struct stat about = status_of(fd, path);
    if (!still_named(path, about)) continue;
    if (!S_ISREG(about.st_mode)) throw_unusable(path, "it is not a regular file");
    // Publishing would write into whatever file the other name is for.
    if (about.st_nlink != 1) throw_unusable(path, "it has a second name (hard link)");
    refuse_foreign(path, about, database_path);
    if (::fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0) throw_errno(path, errno);
    return LockFile(std::move(fd), path);
  }
}

void LockFile::publish(std::string_view text) {
  check(kHeadBytes + text.size() <= kContentBytesMax, "a status fits what its readers take in");
  std::string content = digest_line(text);
  content += text;
  const ssize_t written = ::pwrite(fd_.get(), content.data(), content.size(), 0);
  if (written < 0) throw_errno(path_, errno);
  if (static_cast<std::size_t>(written) != content.size())
    throw_unusable(path_, "the status could be written in part only (disk full?)");
  if (::ftruncate(fd_.get(), static_cast<off_t>(content.size())) != 0) throw_errno(path_, errno);
}

void LockFile::remove() {
  // Somebody may have removed it by hand, and another run may have made a new one: that is not
  // ours.
  if (still_named(path_, status_of(fd_, path_)) && ::unlink(path_.c_str()) != 0 && errno != ENOENT)
    throw_errno(path_, errno);
}

std::optional<PublishedStatus> read_published(const std::string& database_path) {
  const std::string path = path_beside(database_path);
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | kOpenFlags));
  if (!fd.valid() && errno == ENOENT) return std::nullopt;
  if (!fd.valid()) throw_errno(path, errno);
  const struct stat about = status_of(fd, path);
  if (!S_ISREG(about.st_mode)) throw_unusable(path, "it is not a regular file");
  refuse_foreign(path, about, database_path);
  PublishedStatus published;
  published.alive = !try_lock(fd, LOCK_SH, path);
  if (!published.alive) static_cast<void>(::flock(fd.get(), LOCK_UN));
  for (int reads = 0; reads < kReadsMax; ++reads) {
    if (auto text = whole_text(read_content(fd, path))) {
      published.text = *std::move(text);
      break;
    }
    if (!published.alive) break;
    std::this_thread::sleep_for(kReadGap);  // between its two steps of publishing
  }
  return published;
}

}  // namespace lockstep::sqlite
