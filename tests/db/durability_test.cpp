#include "link/sqlite/durability.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

#include "model/error.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::sqlite {
namespace {

/// A VFS that hands everything to SQLite's own and writes down each xSync by file: "app.db-wal".
class RecordingVfs {
 public:
  static RecordingVfs& instance() {
    static RecordingVfs one;
    return one;
  }
  std::vector<std::string> synced;
  std::string fails_on;      ///< this file's next xSyncs answer SQLITE_IOERR_FSYNC
  bool disk_is_slow = true;  ///< if not, xSync only says that it did

 private:
  struct File {
    sqlite3_file base;
    RecordingVfs* vfs;
    const char* path;  // SQLite keeps it as long as the file is open
    [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static File& mine(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
  static sqlite3_file* real(sqlite3_file* file) { return mine(file).real(); }
  static const sqlite3_io_methods& below(sqlite3_file* file) { return *real(file)->pMethods; }

  static int close(sqlite3_file* f) { return below(f).xClose(real(f)); }
  static int sync(sqlite3_file* f, int flags) {
    const File& file = mine(f);
    const std::string name =
        std::filesystem::path(file.path == nullptr ? "" : file.path).filename();
    file.vfs->synced.push_back(name);
    if (!file.vfs->fails_on.empty() && name == file.vfs->fails_on) return SQLITE_IOERR_FSYNC;
    return file.vfs->disk_is_slow ? below(f).xSync(real(f), flags) : SQLITE_OK;
  }

  RecordingVfs() {
    sqlite3_vfs* below_us = sqlite3_vfs_find(nullptr);
    vfs_ = *below_us;
    vfs_.zName = "recording";
    vfs_.pNext = nullptr;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + below_us->szOsFile;
    vfs_.xOpen = [](sqlite3_vfs*, const char* path, sqlite3_file* f, int flags, int* out) {
      RecordingVfs& self = instance();
      mine(f) = {{nullptr}, &self, path};
      const int code = self.below_->xOpen(self.below_, path, real(f), flags, out);
      if (real(f)->pMethods != nullptr) f->pMethods = &self.methods_;
      return code;
    };
    below_ = below_us;
    methods_ = {
        3,
        close,
        [](auto* f, void* to, int n, auto at) { return below(f).xRead(real(f), to, n, at); },
        [](auto* f, const void* from, int n, auto at) {
          return below(f).xWrite(real(f), from, n, at);
        },
        [](auto* f, auto size) { return below(f).xTruncate(real(f), size); },
        sync,
        [](auto* f, auto* size) { return below(f).xFileSize(real(f), size); },
        [](auto* f, int level) { return below(f).xLock(real(f), level); },
        [](auto* f, int level) { return below(f).xUnlock(real(f), level); },
        [](auto* f, int* out) { return below(f).xCheckReservedLock(real(f), out); },
        [](auto* f, int op, void* arg) { return below(f).xFileControl(real(f), op, arg); },
        [](auto* f) { return below(f).xSectorSize(real(f)); },
        [](auto* f) { return below(f).xDeviceCharacteristics(real(f)); },
        [](auto* f, int page, int size, int extend, volatile void** out) {
          return below(f).xShmMap(real(f), page, size, extend, out);
        },
        [](auto* f, int offset, int n, int flags) {
          return below(f).xShmLock(real(f), offset, n, flags);
        },
        [](auto* f) { below(f).xShmBarrier(real(f)); },
        [](auto* f, int remove) { return below(f).xShmUnmap(real(f), remove); },
        [](auto* f, auto at, int n, void** out) { return below(f).xFetch(real(f), at, n, out); },
        [](auto* f, auto at, void* page) { return below(f).xUnfetch(real(f), at, page); }};
    REQUIRE(sqlite3_vfs_register(&vfs_, 1) == SQLITE_OK);
  }

  sqlite3_vfs vfs_{};
  sqlite3_vfs* below_ = nullptr;
  sqlite3_io_methods methods_{};
};

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};

/// A directory with the application's database, written by the application's own connection.
class Source {
 public:
  explicit Source(const std::string& pragmas) {
    RecordingVfs::instance();
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(path().c_str(), &raw) == SQLITE_OK);
    app_.reset(raw);
    exec(pragmas + "; CREATE TABLE t(x)");
    write();
  }
  ~Source() {
    RecordingVfs::instance().fails_on.clear();
    RecordingVfs::instance().disk_is_slow = true;
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] std::string path() const { return dir_.file("app.db"); }
  void exec(const std::string& sql) {
    REQUIRE(sqlite3_exec(app_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  void write() { exec("INSERT INTO t VALUES(randomblob(100))"); }

 private:
  test::TempDir dir_;
  std::unique_ptr<sqlite3, Close> app_;
};

/// What is synced for a read transaction that has read something, in it and after it.
std::vector<std::string> synced_by(Database& database, Durability& durability) {
  RecordingVfs::instance().synced.clear();
  {
    Transaction transaction(database, Transaction::Mode::deferred);
    database.exec("SELECT count(*) FROM t");
    durability.in_view();
    REQUIRE(sqlite3_txn_state(database.handle(), "main") == SQLITE_TXN_READ);
    // Outside WAL mode a sync here would keep every writer waiting for the disk.
    REQUIRE(RecordingVfs::instance().synced.empty() == !database.in_wal_mode());
  }
  durability.after_view();
  return RecordingVfs::instance().synced;
}

std::string refusal_of(Database& database, Durability& durability) {
  try {
    static_cast<void>(synced_by(database, durability));
    return {};
  } catch (const Error& error) {
    return error.code();
  }
}

using Names = std::vector<std::string>;

TEST_CASE("an application in WAL mode with synchronous=NORMAL does not sync its commits itself") {
  Source source("PRAGMA journal_mode=wal; PRAGMA synchronous=NORMAL");
  RecordingVfs::instance().synced.clear();
  source.write();
  CHECK(RecordingVfs::instance().synced.empty());
}

TEST_CASE("the WAL is synced while the transaction that read it is open") {
  Source source("PRAGMA journal_mode=wal; PRAGMA synchronous=NORMAL");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  CHECK(synced_by(database, durability) == Names{"app.db-wal", "app.db"});
  CHECK(durability.syncs() == 2);
  for (int batch = 0; batch < 3; ++batch) {
    source.write();
    CHECK(synced_by(database, durability) == Names{"app.db-wal"});
  }
  CHECK(durability.syncs() == 5);
  test::saw_fault("S14", "GO: the WAL is synced before what was read is shipped");
}

TEST_CASE("the read transaction still sees the state that was made durable") {
  Source source("PRAGMA journal_mode=wal; PRAGMA synchronous=NORMAL");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  Transaction transaction(database, Transaction::Mode::deferred);
  CHECK(database.pragma_int("user_version") == 0);
  source.exec("PRAGMA user_version=7");
  durability.in_view();
  CHECK(database.pragma_int("user_version") == 0);
}

TEST_CASE("the database is synced too once the WAL was started again") {
  Source source("PRAGMA journal_mode=wal; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  static_cast<void>(synced_by(database, durability));
  source.exec("PRAGMA wal_checkpoint(RESTART)");
  source.write();  // the first commit behind a restart writes new salts
  CHECK(synced_by(database, durability) == Names{"app.db-wal", "app.db"});
  source.write();
  CHECK(synced_by(database, durability) == Names{"app.db-wal"});
}

TEST_CASE(
    "a WAL that is started again under an open read transaction is noticed in that transaction") {
  Source source("PRAGMA journal_mode=wal; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  static_cast<void>(synced_by(database, durability));
  source.exec("PRAGMA wal_checkpoint(PASSIVE)");
  // Everything is in the database file: a reader that begins now does not hold the WAL, and the
  // writer starts it over.
  Transaction transaction(database, Transaction::Mode::deferred);
  database.exec("SELECT count(*) FROM t");
  source.write();
  RecordingVfs::instance().synced.clear();
  durability.in_view();
  CHECK(RecordingVfs::instance().synced == Names{"app.db-wal", "app.db"});
}

TEST_CASE("while the WAL is empty the database is synced each time") {
  Source source("PRAGMA journal_mode=wal; PRAGMA synchronous=OFF");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  for (int batch = 0; batch < 2; ++batch) {
    source.write();
    source.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    REQUIRE(wal_bytes(source.path()) == 0);
    CHECK(synced_by(database, durability) == Names{"app.db-wal", "app.db"});
  }
}

TEST_CASE("journal modes sync the database, a left-over journal and the directory") {
  Source source("PRAGMA synchronous=OFF");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  for (const auto& [mode, files] : {std::pair<std::string, std::uint64_t>{"delete", 2},
                                    {"truncate", 3},
                                    {"persist", 3},
                                    {"delete", 2},
                                    {"memory", 2}}) {
    CAPTURE(mode);
    source.exec("PRAGMA journal_mode=" + mode);
    source.write();
    const std::uint64_t before = durability.syncs();
    CHECK(synced_by(database, durability) == Names{"app.db"});
    CHECK(durability.syncs() - before == files);
  }
}

TEST_CASE("a database that becomes a WAL database is synced along with its first WAL") {
  Source source("PRAGMA synchronous=NORMAL");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  CHECK(synced_by(database, durability) == Names{"app.db"});
  source.exec("PRAGMA journal_mode=wal");
  source.write();
  CHECK(synced_by(database, durability) == Names{"app.db-wal", "app.db"});
}

TEST_CASE("what cannot be synced is refused, and the next try does not take it for done") {
  for (const char* journal_mode : {"wal", "delete"}) {
    CAPTURE(journal_mode);
    Source source(std::string("PRAGMA journal_mode=") + journal_mode + "; PRAGMA synchronous=OFF");
    Database database = Database::open(source.path(), OpenMode::read_only);
    Durability durability(database);
    RecordingVfs::instance().fails_on = "app.db";
    CHECK(refusal_of(database, durability) == "LS-S320");
    CHECK(refusal_of(database, durability) == "LS-S320");
    RecordingVfs::instance().fails_on.clear();
    const Names synced = synced_by(database, durability);
    CHECK(std::count(synced.begin(), synced.end(), "app.db") == 1);
  }
  Source source("PRAGMA journal_mode=wal");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  RecordingVfs::instance().fails_on = "app.db-wal";
  CHECK(refusal_of(database, durability) == "LS-S320");
}

TEST_CASE("syncs are one and a half milliseconds apart, and the wait can come before the view") {
  Source source("PRAGMA journal_mode=wal");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  RecordingVfs::instance().disk_is_slow = false;
  const SteadyTime begin = steady_now();
  for (int i = 0; i < 51; ++i) static_cast<void>(synced_by(database, durability));
  CHECK(steady_now() - begin >= Milliseconds{75});

  SteadyTime::duration waited{};
  for (int i = 0; i < 50; ++i) {
    static_cast<void>(synced_by(database, durability));
    const SteadyTime synced = steady_now();
    durability.await_turn();
    waited += steady_now() - synced;
  }
  CHECK(waited >= Milliseconds{40});
}

/// Whether another process may not write: it asks the kernel for SQLite's lock bytes. (Within one
/// process SQLite keeps its own books, which tell nothing.)
bool locked_for_others(const std::string& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct flock wanted {};
    wanted.l_type = F_WRLCK;
    wanted.l_whence = SEEK_SET;
    wanted.l_start = 0x40000002;  // SHARED_FIRST, SHARED_SIZE
    wanted.l_len = 510;
    const bool asked = ::fcntl(fd, F_GETLK, &wanted) == 0;
    ::_exit(!asked ? 2 : wanted.l_type == F_UNLCK ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) < 2);
  return WEXITSTATUS(status) == 1;
}

TEST_CASE("the locks that a reader holds outlive a sync") {
  // Opening and closing the database file by other means would drop them, and a writer could change
  // what we read.
  Source source("PRAGMA journal_mode=delete");
  Database database = Database::open(source.path(), OpenMode::read_only);
  Durability durability(database);
  CHECK_FALSE(locked_for_others(source.path()));
  Transaction transaction(database, Transaction::Mode::deferred);
  database.exec("SELECT count(*) FROM t");
  CHECK(locked_for_others(source.path()));
  durability.in_view();
  CHECK(locked_for_others(source.path()));
}

TEST_CASE("the size of the WAL is told without opening it") {
  Source source("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0");
  CHECK(wal_bytes(source.path()) ==
        static_cast<std::int64_t>(std::filesystem::file_size(source.path() + "-wal")));
  CHECK(wal_bytes(source.path()) > 32);
  CHECK(wal_bytes(source.path() + "-missing") == 0);
}

}  // namespace
}  // namespace lockstep::sqlite
