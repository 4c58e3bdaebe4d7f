#include "link/sqlite/replica.hpp"

#include <sqlite3.h>

#include <string>

#include "link/sqlite/durability.hpp"

namespace lockstep::sqlite {

namespace {

int code_of(const Error& error) {
  const std::string& text = error.foreign();
  return text.empty() || text.find_first_not_of("0123456789") != std::string::npos
             ? SQLITE_OK
             : std::stoi(text);
}

}  // namespace

void become_replica_writer(Database& database) {
  sqlite3_db_config(database.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  // EXTRA: after a power loss FULL lets a deleted journal come back, and with it the state before.
  database.exec(
      "PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON; PRAGMA "
      "synchronous=EXTRA");
}

bool is_unique_conflict(const Error& error) {
  const int code = code_of(error);
  return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
         code == SQLITE_CONSTRAINT_ROWID;
}

bool is_refusal(const Error& error) {
  return (code_of(error) & 0xff) == SQLITE_CONSTRAINT;
}

bool checkpoint_alone(Database& database, std::int64_t bytes_max, Milliseconds patience) {
  if (!database.in_wal_mode() || wal_bytes(database.path()) <= bytes_max) return true;
  sqlite3* const handle = database.handle();
  const Milliseconds usual = database.busy_patience();
  database.set_busy_patience(Milliseconds{0});
  // A checkpoint that cannot have the lock of writers would go on without it.
  const bool alone =
      sqlite3_exec(handle, "BEGIN IMMEDIATE; ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK;
  database.set_busy_patience(patience);
  int frames = 0, done = 0;
  const int code =
      alone ? sqlite3_wal_checkpoint_v2(handle, "main", SQLITE_CHECKPOINT_FULL, &frames, &done)
            : SQLITE_BUSY;
  database.set_busy_patience(usual);
  return code == SQLITE_OK && frames == done;
}

}  // namespace lockstep::sqlite
