#include "link/sqlite/durability.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "link/sqlite/file_descriptor.hpp"
#include "model/error.hpp"

namespace lockstep::sqlite {

namespace {

constexpr std::chrono::microseconds kWalSyncGap{1'500};
constexpr Milliseconds kJournalSyncGap{10};
constexpr sqlite3_int64 kWalSaltsAt =
    16;  // both salts of the WAL header, 8 bytes (sqlite.org/fileformat2, 4.1)

[[noreturn]] void throw_not_durable(const std::string& what, const std::string& why,
                                    const std::string& foreign, Retry retry) {
  throw Error({.code = "LS-S320",
               .exit = ExitCode::stopped,
               .what = what,
               .why = why,
               .data =
                   "what was read in this transaction is not shipped: a power loss could take it "
                   "back from the source",
               .todo = "check the source's disk (dmesg, smartctl) and start again",
               .foreign = foreign,
               .retry = retry});
}

// Not to be tried again by itself: after a failed fsync the kernel may call the next one a success
// although the pages are gone.
[[noreturn]] void throw_failed(const std::string& path, const std::string& cause,
                               const std::string& foreign) {
  throw_not_durable(fmt::format("cannot sync {} to disk", path), cause, foreign, Retry::never);
}

/// The open file behind a connection; its methods are nullptr if it is not open.
sqlite3_file* file_of(sqlite3* handle, int which) {
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(handle, "main", which, &file);
  return code == SQLITE_OK ? file : nullptr;
}

void sync_file(sqlite3_file* file, const std::string& path) {
  if (file == nullptr || file->pMethods == nullptr)
    throw_not_durable(fmt::format("cannot sync {} to disk", path),
                      "SQLite has no open file for it, though a read transaction is under way", "",
                      Retry::new_session);
  const int code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (code != SQLITE_OK)
    throw_failed(path, fmt::format("SQLite says: {} ({})", sqlite3_errstr(code), code),
                 std::to_string(code));
}

/// False if it is not there.
bool sync_path(const std::string& path, int flags) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags));
  if (!fd.valid() && errno == ENOENT) return false;
  if (!fd.valid() || ::fsync(fd.get()) != 0)
    throw_failed(path, std::strerror(errno), fmt::format("errno {}", errno));
  return true;
}

/// 0 while the WAL has no header yet.
std::uint64_t read_salts(sqlite3_file* wal, const std::string& path) {
  std::uint64_t salts = 0;
  const int code = wal->pMethods->xRead(wal, &salts, sizeof salts, kWalSaltsAt);
  if (code == SQLITE_IOERR_SHORT_READ) return 0;
  if (code != SQLITE_OK)
    throw_failed(path, fmt::format("SQLite says: {} ({})", sqlite3_errstr(code), code),
                 std::to_string(code));
  return salts;
}

}  // namespace

Durability::Durability(Database& database) : database_(database) {
  const char* path = sqlite3_db_filename(database.handle(), "main");
  check(path != nullptr && *path != '\0', "the source is a file");
  path_ = path;
}

void Durability::await_turn() {
  if (journal_views_) return;  // one sync for several views, after the last
  std::this_thread::sleep_until(last_sync_ +
                                (database_.in_wal_mode() ? kWalSyncGap : kJournalSyncGap));
}

void Durability::in_view() {
  check(sqlite3_txn_state(database_.handle(), "main") != SQLITE_TXN_NONE,
        "durability is asked for inside a read transaction");
  if (!database_.in_wal_mode()) {
    journal_views_ = true;
    return;
  }
  std::this_thread::sleep_until(last_sync_ + kWalSyncGap);
  sync_wal();
  last_sync_ = steady_now();
}

void Durability::after_view() {
  check(sqlite3_txn_state(database_.handle(), "main") == SQLITE_TXN_NONE,
        "a sync in journal mode must not keep writers waiting");
  if (!journal_views_) return;
  std::this_thread::sleep_until(last_sync_ + kJournalSyncGap);
  sync_journal();
  journal_views_ = false;
  last_sync_ = steady_now();
}

void Durability::sync_wal() {
  const std::string path = path_ + "-wal";
  sqlite3_file* wal = file_of(database_.handle(), SQLITE_FCNTL_JOURNAL_POINTER);
  sync_file(wal, path);
  ++syncs_;
  // Read after the sync: a writer may restart a WAL that was copied back completely although we
  // read. Then what we see is in the database file alone, and the new salts tell.
  const std::uint64_t salts = read_salts(wal, path);
  // An empty WAL (truncated by a checkpoint) has no salts to compare: what it held may have changed
  // in between.
  if (salts_known_ && salts == wal_salts_ && salts != 0) return;
  sync_database();
  wal_salts_ = salts;
  salts_known_ = true;
}

void Durability::sync_journal() {
  sync_database();
  // PERSIST and TRUNCATE commit by blanking the journal, DELETE by unlinking it: until that is on
  // disk as well, a power loss brings the journal back, and SQLite rolls the commit back.
  if (sync_path(path_ + "-journal", 0)) ++syncs_;
  const std::string directory = std::filesystem::path(path_).parent_path().string();
  if (!sync_path(directory, O_DIRECTORY))
    throw_failed(directory, std::strerror(ENOENT), fmt::format("errno {}", ENOENT));
  ++syncs_;
}

void Durability::sync_database() {
  sync_file(file_of(database_.handle(), SQLITE_FCNTL_FILE_POINTER), path_);
  ++syncs_;
}

std::int64_t wal_bytes(const std::string& database_path) {
  struct stat about {};
  if (::stat((real_path(database_path) + "-wal").c_str(), &about) != 0) return 0;
  return about.st_size;
}

}  // namespace lockstep::sqlite
