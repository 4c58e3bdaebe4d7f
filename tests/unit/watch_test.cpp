#include "link/sqlite/watch.hpp"

#include <poll.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "tests/support/temp_dir.hpp"

namespace lockstep::sqlite {
namespace {

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};

/// The application: writes without knowing of us.
class App {
 public:
  App(const std::string& path, const std::string& journal_mode) {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &raw) == SQLITE_OK);
    handle_.reset(raw);
    exec("PRAGMA journal_mode=" + journal_mode);
    exec("CREATE TABLE IF NOT EXISTS t(x)");
  }
  void exec(const std::string& sql) {
    REQUIRE(sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }

 private:
  std::unique_ptr<sqlite3, Close> handle_;
};

bool readable(const Watch& watch) {
  pollfd item{watch.fd(), POLLIN, 0};
  return ::poll(&item, 1, 0) == 1;
}

TEST_CASE("a commit wakes the watch, in every journal mode") {
  for (const char* mode : {"wal", "delete", "truncate", "persist"}) {
    CAPTURE(mode);
    const test::TempDir dir;
    App app(dir.file("app.db"), mode);
    Watch watch(dir.file("app.db"));
    REQUIRE(watch.fd() >= 0);
    CHECK_FALSE(readable(watch));
    CHECK_FALSE(watch.drain());
    for (int commit = 0; commit < 3; ++commit) {
      app.exec("INSERT INTO t VALUES(1)");
      CHECK(readable(watch));
      CHECK(watch.drain());
      CHECK_FALSE(readable(watch));
      CHECK_FALSE(watch.drain());
    }
  }
}

TEST_CASE("a rollback journal alone wakes the watch, for deleting it is the commit") {
  const test::TempDir dir;
  App app(dir.file("app.db"), "delete");
  Watch watch(dir.file("app.db"));
  app.exec("BEGIN; INSERT INTO t VALUES(1)");
  CHECK(watch.drain());
  std::filesystem::remove(dir.file("app.db-journal"));
  CHECK(watch.drain());
}

TEST_CASE("a -wal that is deleted and made anew still wakes the watch") {
  const test::TempDir dir;
  Watch watch(dir.file("app.db"));
  for (int run = 0; run < 2; ++run) {
    App app(dir.file("app.db"), "wal");
    static_cast<void>(watch.drain());
    app.exec("INSERT INTO t VALUES(1)");
    CHECK(watch.drain());
  }
}

TEST_CASE("reads and other files in the directory are not about the database") {
  const test::TempDir dir;
  App app(dir.file("app.db"), "wal");
  Watch watch(dir.file("app.db"));
  app.exec("SELECT * FROM t");
  for (const char* name : {"app.db-lockstep", "app.db-shm", "app.db2", "other.db", "x"})
    std::ofstream(dir.file(name), std::ios::app).flush() << "noise" << std::flush;
  CHECK(readable(watch));
  CHECK_FALSE(watch.drain());
}

TEST_CASE("a database that is put back by renaming is told") {
  const test::TempDir dir;
  std::ofstream(dir.file("backup")) << "old state";
  Watch watch(dir.file("app.db"));
  std::filesystem::rename(dir.file("backup"), dir.file("app.db"));
  CHECK(watch.drain());
}

TEST_CASE("a queue that overflowed counts as being about the database") {
  const test::TempDir dir;
  Watch watch(dir.file("app.db"));
  std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
  long events = 0;
  REQUIRE(limit >> events);
  // Two names in turn: the kernel merges equal events that follow each other.
  std::ofstream a(dir.file("a"));
  std::ofstream b(dir.file("b"));
  for (long i = 0; i <= events; ++i) (i % 2 == 0 ? a : b) << 'x' << std::flush;
  CHECK(watch.drain());
  CHECK_FALSE(watch.drain());
}

TEST_CASE("a database that is reached through a link is watched where it really is") {
  const test::TempDir dir;
  std::filesystem::create_directory(dir.path() / "real");
  App app(dir.file("real/app.db"), "wal");
  std::filesystem::create_symlink(dir.file("real/app.db"), dir.file("link.db"));
  Watch watch(dir.file("link.db"));
  app.exec("INSERT INTO t VALUES(1)");
  CHECK(watch.drain());
}

TEST_CASE("a directory that goes away is told once, and then there is no watch") {
  const test::TempDir dir;
  std::filesystem::create_directory(dir.path() / "inner");
  Watch watch(dir.file("inner/app.db"));
  REQUIRE(watch.fd() >= 0);
  SECTION("deleted") {
    std::filesystem::remove(dir.path() / "inner");
  }
  SECTION("renamed") {
    std::filesystem::rename(dir.path() / "inner", dir.path() / "outer");
  }
  CHECK(watch.drain());
  CHECK(watch.fd() == -1);
  CHECK_FALSE(watch.drain());
}

TEST_CASE("a directory that is not there gives no watch and no error") {
  const test::TempDir dir;
  Watch watch(dir.file("missing/app.db"));
  CHECK(watch.fd() == -1);
  CHECK_FALSE(watch.drain());
}

}  // namespace
}  // namespace lockstep::sqlite
