#include "link/sqlite/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "link/sqlite/statement.hpp"

namespace lockstep::sqlite {

namespace {

// Short sleeps: in rollback-journal mode a commit holds the exclusive lock for about a millisecond,
// and a reader that comes back at once does not keep the application waiting behind it.
int on_busy(void* patience_ms, int tries) {
  constexpr std::int64_t kStepMs = 1;
  const auto patience = static_cast<const Milliseconds*>(patience_ms);
  if (tries * kStepMs >= patience->count()) return 0;
  std::this_thread::sleep_for(Milliseconds{kStepMs});
  return 1;
}

[[noreturn]] void throw_not_there(const std::string& path, const std::string& why) {
  throw Error({.code = "LS-S301",
               .exit = ExitCode::usage,
               .what = fmt::format("{} is not a SQLite database that can be opened", path),
               .why = why,
               .data = "nothing was touched; lockstep never creates the source file",
               .todo = "check the path (relative paths start at the current folder)"});
}

void check_owner(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) throw_not_there(path, std::strerror(errno));
  if (!S_ISREG(about.st_mode)) throw_not_there(path, "it is not a regular file");
  const uid_t me = ::geteuid();
  if (me == 0 || me == about.st_uid) return;
  throw Error(
      {.code = "LS-S302",
       .exit = ExitCode::precondition,
       .what = fmt::format("refusing to open {} as uid {}; the file belongs to uid {}", path, me,
                           about.st_uid),
       .why = "in WAL mode even a reader creates -wal and -shm files owned by itself; the "
              "application then fails with \"attempt to write a readonly database\"",
       .data = "nothing was touched",
       .todo = fmt::format("run lockstep as the owner: sudo -u '#{}' lockstep ...", about.st_uid)});
}

std::unique_ptr<sqlite3, CloseDatabase> open_handle(const std::string& path, OpenMode mode) {
  const int flags = (mode == OpenMode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  std::unique_ptr<sqlite3, CloseDatabase> handle(raw);
  if (code != SQLITE_OK) throw_sqlite_error(raw, code, "opening " + path);
  return handle;
}

// A writer that died in the middle leaves a hot journal, which a read-only connection may not roll
// back.
bool needs_recovery(const Error& error) {
  return error.foreign() == std::to_string(SQLITE_READONLY_ROLLBACK) ||
         error.foreign() == std::to_string(SQLITE_READONLY_RECOVERY);
}

ErrorFacts facts_for(int code, std::string what, std::string why) {
  ErrorFacts facts;
  facts.what = std::move(what);
  facts.why = std::move(why);
  facts.foreign = std::to_string(code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      facts.code = "LS-S309";
      facts.exit = ExitCode::timed_out;
      facts.data = "nothing was lost; nothing was changed";
      facts.todo =
          "a connection holds the lock (a long transaction, or PRAGMA locking_mode=EXCLUSIVE): "
          "end it, or try again at a quieter time";
      facts.retry = Retry::same_session;
      break;
    case SQLITE_NOTADB:
      facts.code = "LS-S301";
      facts.exit = ExitCode::usage;
      facts.data = "nothing was touched; lockstep never creates the source file";
      facts.todo = "check the path (relative paths start at the current folder)";
      break;
    case SQLITE_CORRUPT:
      facts.code = "LS-S322";
      facts.exit = ExitCode::stopped;
      facts.data = "nothing is shipped from a damaged database";
      facts.todo = "run PRAGMA integrity_check on the source and repair it first";
      break;
    case SQLITE_FULL:
      facts.code = "LS-S308";
      facts.exit = ExitCode::stopped;
      facts.data = "the transaction was rolled back as a whole";
      facts.todo = "free space on the source's disk";
      break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:  // the file is there (check_owner), but -wal or -shm cannot be made
      facts.code = "LS-S303";
      facts.exit = ExitCode::precondition;
      facts.data = "nothing was changed";
      facts.todo =
          "lockstep needs write permission on the database and its folder (in WAL mode readers as "
          "well), and a file system that is not read-only";
      facts.retry = Retry::new_session;
      break;
    case SQLITE_IOERR:
      facts.code = "LS-S323";
      facts.exit = ExitCode::stopped;
      facts.data = "nothing of what was read is used";
      facts.todo = "check the source's disk; lockstep tries again";
      facts.retry = Retry::new_session;
      break;
    default:
      facts.code = "LS-S329";
      facts.exit = ExitCode::bug;
      facts.data = "the transaction was rolled back";
      facts.todo = "report this with the text above";
      break;
  }
  return facts;
}

}  // namespace

void CloseDatabase::operator()(sqlite3* handle) const noexcept {
  sqlite3_close_v2(handle);
}

void throw_sqlite_error(sqlite3* handle, int code, std::string_view doing) {
  // A read that failed with EIO becomes SQLITE_CORRUPT inside SQLite (by way of IOERR_CORRUPTFS),
  // but a disk that recovers is no damaged database. If the EIO is an older one, that costs a few
  // tries more before the stop.
  if ((code & 0xff) == SQLITE_CORRUPT && errno == EIO) {
    errno = 0;
    code = SQLITE_IOERR_CORRUPTFS;
  }
  const char* text = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  // sqlite3InitOne() has no code of its own for a header that no known SQLite writes.
  if (code == SQLITE_ERROR && text == std::string_view("unsupported file format"))
    code = SQLITE_CORRUPT;
  throw Error(facts_for(code, std::string(doing), fmt::format("SQLite says: {} ({})", text, code)));
}

Database::Database(std::unique_ptr<sqlite3, CloseDatabase> handle, std::string path)
    : handle_(std::move(handle)),
      path_(std::move(path)),
      busy_patience_(std::make_unique<Milliseconds>()) {}

Database Database::open(const std::string& path, OpenMode mode, Milliseconds busy_patience) {
  check_owner(path);
  Database database(open_handle(path, mode), path);
  *database.busy_patience_ = busy_patience;
  sqlite3* handle = database.handle();
  sqlite3_busy_handler(handle, on_busy, database.busy_patience_.get());
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // Not off: then a schema with an index or generated column on json_extract() cannot be read at
  // all.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // A column that is gone is an error, not its name as a string (double_quotes.hpp). Not DDL: what
  // the application's schema has of them goes on being read.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  database.exec("PRAGMA wal_autocheckpoint=0; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON");
  try {
    database.exec("SELECT count(*) FROM sqlite_master");
  } catch (const Error& error) {
    if (mode != OpenMode::read_only || !needs_recovery(error)) throw;
    Database recovering = open(path, OpenMode::read_write, busy_patience);
    recovering.exec("SELECT count(*) FROM sqlite_master");
  }
  return database;
}

Database Database::in_memory() {
  Database database(open_handle(":memory:", OpenMode::read_write), ":memory:");
  sqlite3_db_config(database.handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  return database;
}

void Database::exec(const std::string& sql) {
  const int code = sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw_sqlite_error(handle(), code, fmt::format("running \"{}\"", sql));
}

bool Database::in_wal_mode() {
  return pragma_text("journal_mode") == "wal";
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(handle());
}

std::int64_t Database::pragma_int(std::string_view name) {
  Statement statement(*this, fmt::format("PRAGMA {}", name));
  return statement.step() ? statement.integer(0) : 0;
}

std::string Database::pragma_text(std::string_view name) {
  Statement statement(*this, fmt::format("PRAGMA {}", name));
  return statement.step() ? statement.text(0) : std::string();
}

void Database::set_busy_patience(Milliseconds patience) {
  *busy_patience_ = patience;
}

Transaction::Transaction(Database& database, Mode mode) : database_(database) {
  const char* begin = mode == Mode::exclusive   ? "BEGIN EXCLUSIVE"
                      : mode == Mode::immediate ? "BEGIN IMMEDIATE"
                                                : "BEGIN";
  database_.exec(begin);
}

Transaction::~Transaction() {
  if (!open_) return;
  // Already rolled back by SQLite after some errors (FULL, IOERR): then this fails, and that is
  // fine.
  sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.exec("COMMIT");
  open_ = false;
}

namespace {
std::string doubled(std::string_view text, char quote) {
  if (text.find('\0') != std::string_view::npos)
    throw Error({.code = "LS-S324",
                 .exit = ExitCode::precondition,
                 .what = "a name in the source's schema contains NUL",
                 .why = "SQL cannot name it",
                 .data = "nothing was touched",
                 .todo = "leave the table out with --exclude"});
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  out += quote;
  return out;
}
}  // namespace

std::string quoted(std::string_view name) {
  return doubled(name, '"');
}
std::string literal(std::string_view text) {
  return doubled(text, '\'');
}

}  // namespace lockstep::sqlite
