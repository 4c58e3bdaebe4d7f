// Who may read what we leave behind, and where a password turns up.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "tests/support/fault.hpp"
#include "tests/support/postgres_files.hpp"
#include "tests/system/small_source.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

namespace {

namespace fs = std::filesystem;
constexpr char kCanary[] = "CANARY-7f3a";

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

unsigned mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::lstat(path.c_str(), &about) == 0);
  return about.st_mode & 0777U;
}

}  // namespace

TEST_CASE("what lockstep leaves on disk is its owner's alone, whatever the umask", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  const std::string socket = folder.file("app.sock");
  Process capture({"sh", "-c", "umask 0; ulimit -c unlimited; exec \"$@\"", "sh", LOCKSTEP_BINARY,
                   "capture", file, "--listen", "ipc://" + socket},
                  clean());
  REQUIRE(wait_until([&] { return fs::exists(socket) && fs::exists(file + "-lockstep"); }, 20s));
  CHECK(mode_of(file + "-lockstep") == 0600);
  CHECK((mode_of(socket) & 077U) == 0);
  const std::string limits = contents(fmt::format("/proc/{}/limits", capture.pid()));
  const std::size_t core = limits.find("Max core file size");
  REQUIRE(core != std::string::npos);
  CHECK(limits.substr(core, 50).find_first_of("123456789u") == std::string::npos);
  capture.signal(SIGTERM);
  CHECK(capture.wait_or_throw(20s) == ExitStatus{.code = 143});
  saw_fault("H16", "GO: lock file and socket are its owner's alone, no core dump");
}

TEST_CASE("another process of the same user cannot read the environment", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  ProcessOptions options{.environment = {std::string("PGPASSWORD=") + kCanary}};
  if (const auto user = server_user()) {
    options.user = user->user;
    options.group = user->group;
    give_to_server_user(folder.path());
  }
  ProcessOptions reader = options;
  const std::string socket = "ipc://" + folder.file("app.sock");
  const auto capture = start_lockstep({"capture", file, "--listen", socket}, options);
  REQUIRE(wait_until([&] { return fs::exists(file + "-lockstep"); }, 20s));
  const Outcome read = run({"cat", fmt::format("/proc/{}/environ", capture->pid())}, reader);
  INFO(everything(read));
  CHECK(read.status == ExitStatus{.code = 1});
  CHECK_FALSE(has(read.output, kCanary));
  CHECK(has(read.error_output, "Permission denied"));
  saw_fault("H16", "GO: /proc/PID/environ is closed to others of the same user");
}

TEST_CASE("a lock file that leads elsewhere or belongs to somebody else is refused", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  const std::string lock = file + "-lockstep";
  const std::string precious = folder.file("precious");
  write_file(precious, "precious");
  const auto refused_by_name = [&] {
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"run", file, "host=/nowhere"},
          {"capture", file, "--listen", "ipc:///tmp/none"},
          {"status", file},
          {"remove", file}}) {
      const Outcome outcome = lockstep(command);
      INFO(command[0] << ": " << everything(outcome));
      CHECK(outcome.status == ExitStatus{.code = 3});
      CHECK(has(outcome.error_output, "LS-S331"));
    }
    CHECK(contents(precious) == "precious");
  };
  fs::create_symlink(precious, lock);
  refused_by_name();
  fs::remove(lock);
  REQUIRE(::mkfifo(lock.c_str(), 0600) == 0);
  refused_by_name();
  fs::remove(lock);
  if (::geteuid() == 0) {
    write_file(lock, "");
    REQUIRE(::chown(lock.c_str(), 12'345, 12'345) == 0);
    refused_by_name();
  }
  saw_fault("H17", "REFUSE: LS-S331 for a lock file that is a link, a FIFO or another user's");
}

TEST_CASE("a password in the connection string is seen by the server's login alone", "[system]") {
  PostgresServer server(
      {"log_connections=on", "log_disconnections=on", "log_error_verbosity=verbose"});
  server.query(fmt::format("CREATE ROLE owner LOGIN PASSWORD '{}'", kCanary));
  server.create_database("shop", "OWNER owner");
  server.query("ALTER SYSTEM SET log_statement = 'all'");
  write_file(server.data_folder() / "pg_hba.conf",
             "local all postgres trust\nlocal all all scram-sha-256\n");
  server.query("SELECT pg_reload_conf()");
  const auto with_password = [&](const std::string& password, const std::string& database) {
    std::string dsn = server.dsn(database);
    return dsn.replace(dsn.find("postgres@"), 8, "owner:" + password);
  };
  const std::string target = with_password(kCanary, "shop");
  REQUIRE(wait_until(
      [&] {
        return has(everything(lockstep({"status", with_password("wrong", "shop")})), "LS-T202");
      },
      10s));
  const std::size_t log_before = server.log().size();

  const TempDir folder;
  const std::string file = small_source(folder);
  std::string seen;
  const auto look = [&](const std::vector<std::vector<std::string>>& commands) {
    for (const auto& command : commands) seen += everything(lockstep(command));
  };
  const std::string socket = "ipc://" + folder.file("app.sock");
  const auto capture = start_lockstep({"capture", file, "--listen", socket});
  const auto apply = start_lockstep({"apply", "--json", "--connect", socket, "--target=" + target});
  REQUIRE(wait_until(
      [&] {
        return lockstep({"wait", target, "--for", "caught-up"}).status.code == 0;
      },
      30s));
  for (const auto* process : {&capture, &apply})
    for (const char* what : {"cmdline", "environ", "comm"})
      seen += contents(fmt::format("/proc/{}/{}", (*process)->pid(), what));
  seen += contents(file + "-lockstep") + contents(file) + contents(file + "-wal");
  REQUIRE(has(seen, LOCKSTEP_BINARY));
  look({{"status", target, "--json"},
        {"verify", file, target},
        {"wait", target, "--for", "applied=nonsense"},
        {"run", file, target},
        {"status", with_password(kCanary, "absent")},
        {"status", with_password(std::string(kCanary) + "-wrong", "shop")},
        {"run", file, target + "?nonsense=" + kCanary},
        // In the wrong place, or where no TARGET belongs.
        {"run", target, file},
        {"verify", target, file},
        {"remove", target, file},
        {"complete", target},
        {"wait", file, target, "--for", "caught-up"},
        {"run", file, target, target},
        {"status", file, "--schema", target},
        {"cutover", file, target, "--verify-max-age", "0", "--confirm", target},
        {"run", file, "host=absent password=" + std::string(kCanary), "dbname=x"}});
  apply->signal(SIGTERM);
  capture->signal(SIGTERM);
  CHECK(apply->wait_or_throw(20s) == ExitStatus{.code = 143});
  CHECK(capture->wait_or_throw(20s) == ExitStatus{.code = 143});
  for (const auto* process : {&capture, &apply})
    seen += (*process)->output() + (*process)->error_output();
  look({{"remove", file, target, "--json"}});
  seen += server.log().substr(log_before);
  REQUIRE(has(seen, "LS-T202"));
  REQUIRE(has(seen, "UPDATE lockstep.ledger"));
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    if (entry.is_regular_file()) seen += contents(entry.path());
  const std::size_t at = seen.find(kCanary);
  INFO(seen.substr(at == std::string::npos ? 0 : (at > 300 ? at - 300 : 0), 600));
  CHECK(at == std::string::npos);
  saw_fault(
      "H20",
      "GO: a password given as canary is in no output, file, ledger, process list or server log");
}

}  // namespace lockstep::test
