// Owns sqlite3*. How every part of lockstep opens the application's database.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "model/clock.hpp"
#include "model/error.hpp"

struct sqlite3;

namespace lockstep::sqlite {

struct CloseDatabase {
  void operator()(sqlite3* handle) const noexcept;
};

enum class OpenMode {
  read_only,   ///< tail, snapshot, verify
  read_write,  ///< install, prune, remove: short transactions only
};

/// A connection to the application's file. It never checkpoints (wal_autocheckpoint=0, no
/// checkpoint on close: SQLite 3.7.0-3.51.2 can corrupt a database when two connections do,
/// invariant I8), never maps it, has no functions but SQLite's own. BUSY is answered by short
/// sleeps up to `busy_patience`. One thread at a time.
class Database {
 public:
  /// Throws Error LS-S301 (not there, or no SQLite database; exit 2), LS-S302 (the file has another
  /// owner, exit 3) or LS-S303 (cannot be read now). Never creates the file.
  [[nodiscard]] static Database open(const std::string& path, OpenMode mode,
                                     Milliseconds busy_patience = Milliseconds{5000});

  /// Empty, private, gone with this object.
  [[nodiscard]] static Database in_memory();

  void exec(const std::string& sql);
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool in_wal_mode();
  /// Rows changed by the last statement of this connection.
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t pragma_int(std::string_view name);
  [[nodiscard]] std::string pragma_text(std::string_view name);
  void set_busy_patience(Milliseconds patience);
  [[nodiscard]] Milliseconds busy_patience() const { return *busy_patience_; }
  /// For this folder only.
  [[nodiscard]] sqlite3* handle() const { return handle_.get(); }

 private:
  Database(std::unique_ptr<sqlite3, CloseDatabase> handle, std::string path);
  std::unique_ptr<sqlite3, CloseDatabase> handle_;
  std::string path_;
  std::unique_ptr<Milliseconds> busy_patience_;  // address handed to SQLite's busy handler
};

/// BEGIN .. ROLLBACK unless committed. A read transaction sees one frozen state from its first read
/// on.
class Transaction {
 public:
  /// exclusive: with a rollback journal readers are kept out, too, so none can hold up the COMMIT.
  enum class Mode { deferred, immediate, exclusive };
  Transaction(Database& database, Mode mode);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

/// Turns a SQLite result code into a named Error (S3xx), with the extended code as `foreign`.
[[noreturn]] void throw_sqlite_error(sqlite3* handle, int code, std::string_view doing);

/// `"name"` with inner quotes doubled. Refuses NUL.
[[nodiscard]] std::string quoted(std::string_view name);
/// `'text'` as a SQL literal.
[[nodiscard]] std::string literal(std::string_view text);

}  // namespace lockstep::sqlite
