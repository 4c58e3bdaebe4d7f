#include "tests/support/postgres_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(const std::string& doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

std::string without_newline(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

/// "15.18" from "postgres (PostgreSQL) 15.18 (Debian ...)".
std::string version_of(const fs::path& binaries) {
  const Outcome outcome = run({binaries / "postgres", "--version"});
  constexpr std::string_view kMark = "(PostgreSQL) ";
  const std::size_t mark = outcome.output.find(kMark);
  if (mark == std::string::npos) throw std::runtime_error("odd version: " + outcome.output);
  const std::string rest = without_newline(outcome.output.substr(mark + kMark.size()));
  return rest.substr(0, rest.find(' '));
}

int major_of(std::string_view version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major;
}

std::optional<fs::path> packaged_binaries() {
  std::optional<fs::path> newest;
  int newest_major = 0;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", missing)) {
    const int major = major_of(entry.path().filename().string());
    if (major <= newest_major || !fs::exists(entry.path() / "bin/postgres")) continue;
    newest_major = major;
    newest = entry.path() / "bin";
  }
  return newest;
}

std::optional<fs::path> configured_binaries() {
  try {
    const Outcome outcome = run({"pg_config", "--bindir"});
    const fs::path folder = without_newline(outcome.output);
    if (outcome.status.code == 0 && fs::exists(folder / "postgres")) return folder;
  } catch (const std::system_error&) {  // no pg_config
  }
  return std::nullopt;
}

fs::path find_binaries() {
  const auto packaged = packaged_binaries();
  const auto configured = configured_binaries();
  if (packaged && configured)
    return major_of(version_of(*configured)) > major_of(version_of(*packaged)) ? *configured
                                                                               : *packaged;
  if (packaged) return *packaged;
  if (configured) return *configured;
  throw std::runtime_error(
      "no PostgreSQL server found through pg_config or in /usr/lib/postgresql; "
      "ops/install_packages.sh installs one");
}

void initialise(const fs::path& data) {
  ProcessOptions options{.directory = "/"};
  if (const auto user = server_user()) {
    options.user = user->user;
    options.group = user->group;
  }
  const Outcome outcome =
      run({postgres_binaries() / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust",
           "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"},
          options);
  if (outcome.status.code != 0) throw std::runtime_error("initdb: " + outcome.error_output);
}

/// The kept cluster, made now if there is none. It is built aside and renamed, so a half-made one
/// is never used.
fs::path template_cluster() {
  const fs::path cache = TEST_CACHE_DIR;
  fs::create_directories(cache);
  const fs::path lock_path = cache / "lock";
  const Descriptor lock{::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)};
  if (lock.get() < 0) fail("open " + lock_path.string());
  while (::flock(lock.get(), LOCK_EX) != 0)
    if (errno != EINTR) fail("flock " + lock_path.string());
  const fs::path finished = cache / version_of(postgres_binaries());
  if (fs::exists(finished)) return finished;
  // The server's user may not be able to reach the build folder: initdb works in a temporary one.
  const TempDir workshop;
  give_to_server_user(workshop.path());
  initialise(workshop.path() / "data");
  const fs::path unfinished = cache / "unfinished";
  remove_folder(unfinished);
  fs::copy(workshop.path() / "data", unfinished, fs::copy_options::recursive);
  fs::rename(unfinished, finished);
  return finished;
}

}  // namespace

const fs::path& postgres_binaries() {
  static const fs::path folder = find_binaries();
  return folder;
}

std::optional<ServerUser> server_user() {
  if (::geteuid() != 0) return std::nullopt;
  for (const char* name : {"postgres", "nobody"})
    if (const passwd* entry = ::getpwnam(name)) return ServerUser{entry->pw_uid, entry->pw_gid};
  throw std::runtime_error(
      "PostgreSQL refuses to run as root, and there is no user postgres or nobody");
}

void give_to_server_user(const fs::path& folder) {
  const auto user = server_user();
  if (!user) return;
  const auto give = [&](const fs::path& path) {
    if (::lchown(path.c_str(), user->user, user->group) != 0) fail("chown " + path.string());
  };
  give(folder);
  for (const auto& entry : fs::recursive_directory_iterator(folder)) give(entry.path());
}

void make_cluster(const fs::path& data) {
  fs::copy(template_cluster(), data, fs::copy_options::recursive);
  fs::permissions(data, fs::perms::owner_all);
  give_to_server_user(data);
}

}  // namespace lockstep::test
