#include "link/wire/keys.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "model/error.hpp"

namespace lockstep::wire {

namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

// From zmq_curve(7): everybody has them.
constexpr std::array<std::string_view, 4> kPublished{
    "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
    "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"};

[[noreturn]] void refuse(const char* code, ExitCode exit, const std::string& path,
                         const std::string& why, const std::string& todo) {
  throw Error({.code = code,
               .exit = exit,
               .what = fmt::format("{} cannot be used as a key file", path),
               .why = why,
               .data = "nothing was sent, nobody was let in",
               .todo = todo});
}

[[noreturn]] void refuse_content(const std::string& path, const std::string& why) {
  refuse("LS-C122", ExitCode::usage, path, why, "lockstep keys generate FILE makes a pair");
}

[[noreturn]] void refuse_rights(const std::string& path, const std::string& why) {
  refuse("LS-C123", ExitCode::precondition, path, why,
         fmt::format("chown and chmod {}; if others could read a secret, make a new pair", path));
}

class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

/// The bytes of a key file; zeroed when they go, because they may hold a secret.
class Content {
 public:
  Content(const std::string& path, mode_t forbidden) {
    const File file(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);  // a pipe would be waited for
    if (file.fd() < 0 && errno == ELOOP) refuse_rights(path, "it is a symbolic link");
    if (file.fd() < 0) refuse_content(path, std::strerror(errno));
    struct stat facts {};
    if (::fstat(file.fd(), &facts) != 0) refuse_content(path, std::strerror(errno));
    if (!S_ISREG(facts.st_mode)) refuse_content(path, "it is no regular file");
    if (facts.st_uid != ::geteuid() && facts.st_uid != 0)
      refuse_rights(path, fmt::format("it belongs to user {}", facts.st_uid));
    if ((facts.st_mode & forbidden) != 0)
      refuse_rights(path, fmt::format("its mode is {:04o}; others have rights that only its owner "
                                      "should have",
                                      facts.st_mode & 07777U));
    if (facts.st_size > static_cast<off_t>(kFileBytesMax)) refuse_content(path, "it is too large");
    bytes_.resize(static_cast<std::size_t>(facts.st_size));
    const ssize_t got = ::read(file.fd(), bytes_.data(), bytes_.size());
    if (got < 0) refuse_content(path, std::strerror(errno));
    bytes_.resize(static_cast<std::size_t>(got));
  }
  ~Content() { sodium_memzero(bytes_.data(), bytes_.size()); }
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  [[nodiscard]] std::string_view text() const { return bytes_; }

 private:
  std::string bytes_;
};

bool is_key(std::string_view z85) {
  std::array<char, kZ85Bytes + 1> text{};
  std::array<std::uint8_t, kKeyBytes> bytes{};
  if (z85.size() != kZ85Bytes || z85.find('\0') != std::string_view::npos) return false;
  std::copy(z85.begin(), z85.end(), text.begin());
  const bool valid = zmq_z85_decode(bytes.data(), text.data()) != nullptr;
  sodium_memzero(text.data(), text.size());
  sodium_memzero(bytes.data(), bytes.size());
  return valid;
}

// What a line holds is never repeated in an error: it may be a secret in the wrong file.
std::vector<std::string_view> keys_in(const Content& content, std::string_view tag,
                                      const std::string& path) {
  std::vector<std::string_view> keys;
  std::string_view rest = content.text();
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line == "#" || line.starts_with("# ")) continue;
    const std::string start = fmt::format("{} ", tag);
    if (!line.starts_with(start))
      refuse_content(path, fmt::format("line {} does not begin with \"{}\"", number, tag));
    line.remove_prefix(start.size());
    const std::string_view key = line.substr(0, line.find(' '));
    if (!is_key(key))
      refuse_content(path, fmt::format("line {} has no key of {} characters", number, kZ85Bytes));
    if (std::find(kPublished.begin(), kPublished.end(), key) != kPublished.end())
      refuse("LS-C124", ExitCode::precondition, path,
             fmt::format("line {} has a key that is printed in ZeroMQ's manual", number),
             "lockstep keys generate FILE makes a pair that nobody else has");
    keys.push_back(key);
  }
  return keys;
}

[[noreturn]] void refuse_writing(const std::string& path, int number) {
  throw Error({.code = "LS-C122",
               .exit = ExitCode::usage,
               .what = fmt::format("{} cannot be written", path),
               .why = std::strerror(number),
               .data = "no key was made, and nothing of it is left",
               .todo =
                   "the folder has to exist, with room on its disk, and this user has to be able "
                   "to write there"});
}

/// 0, or the errno of what went wrong.
int put_whole(const File& file, std::string_view text, mode_t mode) {
  if (::fchmod(file.fd(), mode) != 0) return errno;  // whatever the umask
  while (!text.empty()) {
    const ssize_t written = ::write(file.fd(), text.data(), text.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(file.fd()) == 0 ? 0 : errno;
}

/// A file that goes again unless it is kept.
class NewFile {
 public:
  NewFile(std::string path, std::string_view text, mode_t mode) : path_(std::move(path)) {
    const File file(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (file.fd() < 0 && errno == EEXIST)
      throw Error({.code = "LS-C125",
                   .exit = ExitCode::precondition,
                   .what = fmt::format("{} exists already", path_),
                   .why = "a key that is in use is never written over",
                   .data = "nothing was changed",
                   .todo = "give another name"});
    if (file.fd() < 0) refuse_writing(path_, errno);
    if (const int failed = put_whole(file, text, mode); failed != 0) {
      ::unlink(path_.c_str());
      refuse_writing(path_, failed);
    }
  }
  ~NewFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

// The folder itself may be reached through a link.
void sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path();
  const File file(folder, O_RDONLY | O_DIRECTORY);
  if (file.fd() < 0 || ::fsync(file.fd()) != 0) refuse_writing(folder, errno);
}

}  // namespace

Secret::Secret() {
  // Without the right to lock memory it may be swapped; nothing else is lost.
  static_cast<void>(sodium_mlock(z85_.data(), z85_.size()));
}

Secret::~Secret() {
  sodium_munlock(z85_.data(), z85_.size());  // zeroes it
}

std::string generate_keys(const std::string& path) {
  Secret secret;
  std::array<char, kZ85Bytes + 1> z85{};
  check(zmq_curve_keypair(z85.data(), secret.data()) == 0, "libzmq was built with CURVE");
  std::string public_key(z85.data());
  const std::string name = std::filesystem::path(path).filename();
  // The public half first: a secret without it would be of no use to anybody.
  NewFile public_file(path + ".pub",
                      fmt::format("# lockstep public key, fingerprint {}\npublic {} {}\n",
                                  fingerprint(public_key), public_key, name),
                      S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  std::array<char, 128> text{};
  const auto end = fmt::format_to_n(text.data(), text.size(),
                                    "# lockstep secret key, fingerprint {}\nsecret {}\n",
                                    fingerprint(public_key), secret.data());
  const auto erase = [](std::array<char, 128>* bytes) {
    sodium_memzero(bytes->data(), bytes->size());
  };
  const std::unique_ptr<std::array<char, 128>, decltype(erase)> erased(&text, erase);
  NewFile secret_file(path, {text.data(), end.size}, S_IRUSR | S_IWUSR);
  sync_folder_of(path);
  secret_file.keep();
  public_file.keep();
  return public_key;
}

std::string read_secret_key(const std::string& path, Secret& secret) {
  const Content content(path, S_IRWXG | S_IRWXO);
  const auto keys = keys_in(content, "secret", path);
  if (keys.size() != 1)
    refuse_content(path, fmt::format("it has {} secret keys, not one", keys.size()));
  std::copy(keys[0].begin(), keys[0].end(), secret.data());
  std::array<char, kZ85Bytes + 1> z85{};
  check(zmq_curve_public(z85.data(), secret.data()) == 0, "libzmq was built with CURVE");
  return z85.data();
}

std::string read_public_key(const std::string& path) {
  const Content content(path, S_IWGRP | S_IWOTH);
  const auto keys = keys_in(content, "public", path);
  if (keys.size() != 1)
    refuse_content(path, fmt::format("it has {} public keys, not one", keys.size()));
  return std::string(keys[0]);
}

std::vector<std::string> read_allowed_keys(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> files{path};
  std::error_code error;
  if (fs::is_directory(path, error)) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) refuse_content(path, std::strerror(errno));
    if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
        (facts.st_uid != ::geteuid() && facts.st_uid != 0))
      refuse_rights(path, "others can write to this folder");
    files.clear();
    for (const fs::directory_entry& entry : fs::directory_iterator(path, error))
      if (entry.path().extension() == ".pub") files.push_back(entry.path());
    if (error) refuse_content(path, error.message());
  }
  std::vector<std::string> allowed;
  for (const std::string& file : files) {
    const Content content(file, S_IWGRP | S_IWOTH);
    for (const std::string_view key : keys_in(content, "public", file)) allowed.emplace_back(key);
  }
  return allowed;
}

std::string fingerprint(const std::string& public_key) {
  std::array<std::uint8_t, kKeyBytes> key{};
  check(is_key(public_key), "a public key was checked when it was read");
  zmq_z85_decode(key.data(), public_key.c_str());
  std::array<std::uint8_t, crypto_generichash_BYTES> digest{};
  crypto_generichash(digest.data(), digest.size(), key.data(), key.size(), nullptr, 0);
  std::string hex;
  for (std::size_t i = 0; i < 6; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

void protect_memory() {
  const rlimit none{0, 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
  static_cast<void>(::prctl(PR_SET_DUMPABLE, 0));
}

}  // namespace lockstep::wire
