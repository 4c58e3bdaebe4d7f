// Paths that somebody typed: whatever is there already stays, and what others could have put there
// is not believed.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/postgres_files.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

namespace {

namespace fs = std::filesystem;

bool says(const Outcome& outcome, std::string_view part) {
  return everything(outcome).find(part) != std::string::npos;
}

std::string notes_source(const TempDir& folder, const std::string& name = "app.db") {
  std::string file = folder.file(name);
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT);"
         "INSERT INTO notes VALUES (1, 'one')");
  return file;
}

std::string triggers_in(const std::string& file) {
  return sqlite(file, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%lockstep%'").at(0);
}

void refuse(const std::vector<std::string>& command, int code, std::string_view name) {
  const Outcome outcome = lockstep(command);
  INFO(fmt::format("{} {}: ", command[0], command.back()) << everything(outcome));
  CHECK(outcome.status == ExitStatus{.code = code});
  CHECK(says(outcome, name));
}

}  // namespace

TEST_CASE("capture removes nothing that is at the path of its socket", "[system]") {
  const TempDir folder;
  const std::string file = notes_source(folder);
  const std::string before = contents(file), link = folder.file("link.db");
  fs::create_symlink(file, link);
  for (const char* ending : {"", "-wal", "-shm", "-journal", "-lockstep", "-lockstep-route"})
    for (const std::string& source : {file, link})
      refuse({"capture", source, "--listen", "ipc://" + file + ending}, 2, "LS-C126");
  // Its lock file would be the source.
  const std::string odd = notes_source(folder, "odd.lock");
  refuse({"capture", odd, "--listen", "ipc://" + folder.file("odd")}, 2, "LS-C126");

  const std::string precious = folder.file("precious");
  std::ofstream(precious) << "precious";
  refuse({"capture", file, "--listen", "ipc://" + precious}, 3, "LS-W516");
  CHECK(contents(precious) == "precious");
  CHECK(contents(file) == before);
  CHECK(triggers_in(file) == "0");
  for (const char* ending : {"-journal", "-lockstep", "-lockstep-route"})
    CHECK_FALSE(fs::exists(file + ending));
}

TEST_CASE("a second capture does not take the first one's socket over", "[system]") {
  const TempDir folder;
  const std::string file = notes_source(folder), other = notes_source(folder, "other.db");
  const std::string socket = folder.file("s");
  PostgresServer server;
  const std::string dsn = server.create_database("files");
  auto capture = start_lockstep({"capture", file, "--listen", "ipc://" + socket});
  REQUIRE(wait_until([&] { return fs::exists(socket); }, 20s));
  refuse({"capture", other, "--listen", "ipc://" + socket}, 8, "LS-W517");
  CHECK(triggers_in(other) == "0");
  const auto follow = [&] {
    auto apply = start_lockstep({"apply", "--connect", "ipc://" + socket, dsn});
    require_caught_up(*apply, file);
    apply->signal(SIGTERM);
    CHECK(apply->wait_or_throw(20s) == ExitStatus{.code = 143});
    require_equal(file, dsn);
  };
  follow();
  // A dead one is in nobody's way.
  capture->kill_hard();
  REQUIRE(fs::exists(socket));
  sqlite(file, "INSERT INTO notes VALUES (2, 'two')");
  capture = start_lockstep({"capture", file, "--listen", "ipc://" + socket});
  follow();
  capture->signal(SIGTERM);
  CHECK(capture->wait_or_throw(20s) == ExitStatus{.code = 143});
  CHECK_FALSE(fs::exists(socket));
  CHECK_FALSE(fs::exists(socket + ".lock"));
}

TEST_CASE("a page is written over neither the source nor through a link", "[system]") {
  const TempDir folder;
  const std::string file = notes_source(folder);
  PostgresServer server;
  const std::string dsn = server.create_database("pages");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);
  const std::string before = contents(file);
  const std::string second = folder.file("second-name"), link = folder.file("link");
  const std::string precious = folder.file("precious"), fifo = folder.file("fifo");
  std::ofstream(precious) << "precious";
  fs::create_hard_link(file, second);
  fs::create_symlink(precious, link);
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const std::vector<std::vector<std::string>> writers{{"assess", file, "--html"},
                                                      {"verify", file, dsn, "--html"},
                                                      {"verify", file, dsn, "--junit"}};
  const auto with = [](std::vector<std::string> command, const std::string& path) {
    command.push_back(path);
    return command;
  };
  for (const auto& writer : writers) {
    for (const char* ending : {"", "-wal", "-shm", "-journal", "-lockstep", "-lockstep-route"})
      refuse(with(writer, file + ending), 2, "LS-C127");
    refuse(with(writer, second), 2, "LS-C127");
    refuse(with(writer, link), 2, "LS-C132");
    refuse(with(writer, fifo), 2, "LS-C132");
    refuse(with(writer, folder.path()), 2, "LS-C132");
    refuse(with(writer, folder.file("none/page")), 2, "LS-C132");
  }
  CHECK(contents(file) == before);
  CHECK(contents(precious) == "precious");

  const std::string page = folder.file("page");
  for (const auto& writer : writers) {
    for (int turn = 0; turn < 2; ++turn) {  // the second one replaces
      require_code(lockstep(with(writer, page)), 0);
      struct stat about {};
      REQUIRE(::lstat(page.c_str(), &about) == 0);
      CHECK((about.st_mode & 07777U) == 0600);
      CHECK(contents(page).find("notes") != std::string::npos);
    }
    fs::remove(page);
  }
  for (const auto& entry : fs::directory_iterator(folder.path()))
    CHECK_FALSE(entry.path().filename().string().starts_with("page"));
}

TEST_CASE("apply follows no other user's socket", "[system]") {
  const auto other = server_user();
  if (!other) return;  // only root can be two users
  const TempDir folder;
  const std::string file = notes_source(folder);
  const std::string socket = folder.file("s");
  PostgresServer server;
  const std::string dsn = server.create_database("impostor");
  give_to_server_user(folder.path());
  const auto impostor = start_lockstep({"capture", file, "--listen", "ipc://" + socket},
                                       {.user = other->user, .group = other->group});
  REQUIRE(wait_until([&] { return fs::exists(socket); }, 20s));
  const std::vector<std::string> apply{"apply", "--connect", "ipc://" + socket,
                                       dsn,     "--until",   "caught-up"};
  refuse(apply, 3, "LS-W518");
  // A socket that looks like root's: who answers is asked of the kernel.
  REQUIRE(::lchown(socket.c_str(), 0, 0) == 0);
  refuse(apply, 3, "LS-W518");
  CHECK(impostor->running());
  CHECK(server.value("SELECT 1") == "1");
}

}  // namespace lockstep::test
