// What bench-load writes, and the two sides that it can write to. Only sqlite3 and libpq.
#pragma once

#include <libpq-fe.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/tools/random.hpp"

namespace load {

using Clock = std::chrono::steady_clock;

/// One row's change; `a` and `b` are its parameters.
struct Change {
  std::size_t statement = 0;  ///< its place in kStatements
  std::int64_t a = 0, b = 0;
};

/// The same text for both engines but for how parameters are spelled.
struct Statement {
  const char* sqlite;
  const char* postgres;
};
enum : std::size_t { kTick, kUpdate, kInsert, kDelete };
constexpr std::array<Statement, 4> kStatements{
    {{"INSERT INTO ticks(n, at_us) VALUES (?1, ?2)", "INSERT INTO ticks(n, at_us) VALUES ($1, $2)"},
     {"UPDATE ohlcv_data SET close = close + 1, volume = volume + ?2 WHERE id = ?1",
      "UPDATE ohlcv_data SET close = close + 1, volume = volume + $2 WHERE id = $1"},
     {"INSERT INTO ohlcv_data(id, ticker, region, timeframe, date, open, high, low, close, volume) "
      "VALUES (?1, 'BENCH', 'XX', 'D', 'b' || ?2, 1, 2.5, 0.5, 2, 7)",
      "INSERT INTO ohlcv_data(id, ticker, region, timeframe, date, open, high, low, close, volume) "
      "VALUES ($1, 'BENCH', 'XX', 'D', 'b' || $2::text, 1, 2.5, 0.5, 2, 7)"},
     {"DELETE FROM ohlcv_data WHERE id = ?1", "DELETE FROM ohlcv_data WHERE id = $1"}}};

using tools::Random;

/// False from write(): refused by a fence or a guard; everything else that fails throws.
class Side {
 public:
  Side() = default;
  virtual ~Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  virtual bool write(const std::vector<Change>& transaction) = 0;
  virtual std::int64_t number(const std::string& sql) = 0;
};

class SqliteSide : public Side {
 public:
  /// `spin`: a busy database is asked again every 20 us, and how long it was busy is noted; else
  /// it is SQLite's own busy timeout of 10 s.
  SqliteSide(const std::string& path, const std::string& sync, bool spin) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) fail("open " + path);
    if (spin)
      sqlite3_busy_handler(handle, &SqliteSide::busy, this);
    else
      sqlite3_busy_timeout(handle, 10'000);
    run("PRAGMA synchronous = " + sync);
    statements_.resize(kStatements.size());
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    back_ = prepare("ROLLBACK");
  }

  bool write(const std::vector<Change>& transaction) override {
    const bool bracketed = transaction.size() > 1;
    if (bracketed && !step(begin_)) return false;
    for (const Change& change : transaction) {
      Prepared& statement = statements_[change.statement];
      if (!statement) statement = prepare(kStatements[change.statement].sqlite);
      sqlite3_bind_int64(statement.get(), 1, change.a);
      if (sqlite3_bind_parameter_count(statement.get()) > 1)
        sqlite3_bind_int64(statement.get(), 2, change.b);
      if (step(statement)) continue;
      if (bracketed) step(back_);
      return false;
    }
    const bool done = !bracketed || step(commit_);
    if (blocked_since_ != Clock::time_point{}) {
      holds_us_.push_back(
          std::chrono::duration_cast<std::chrono::microseconds>(last_busy_ - blocked_since_)
              .count());
      blocked_since_ = {};
    }
    return done;
  }

  std::int64_t number(const std::string& sql) override {
    const Prepared statement = prepare(sql.c_str());
    if (sqlite3_step(statement.get()) != SQLITE_ROW) fail(sql);
    return sqlite3_column_int64(statement.get(), 0);
  }

  /// Waits for the database while others held it, from the first refusal to the last.
  [[nodiscard]] const std::vector<std::int64_t>& holds_us() const { return holds_us_; }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
  };
  using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;

  static int busy(void* self, int) {
    auto& side = *static_cast<SqliteSide*>(self);
    side.last_busy_ = Clock::now();
    if (side.blocked_since_ == Clock::time_point{}) side.blocked_since_ = side.last_busy_;
    if (side.last_busy_ - side.blocked_since_ > std::chrono::seconds(10)) return 0;
    usleep(20);
    return 1;
  }

  Prepared prepare(const char* sql) {
    sqlite3_stmt* handle = nullptr;
    if (sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr) !=
        SQLITE_OK)
      fail(sql);
    return Prepared{handle};
  }
  void run(const std::string& sql) {
    const Prepared statement = prepare(sql.c_str());
    step(statement);
  }
  bool step(const Prepared& statement) {
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) code = sqlite3_step(statement.get());
    if (code == SQLITE_DONE) {
      sqlite3_reset(statement.get());
      return true;
    }
    const bool fenced = std::strstr(sqlite3_errmsg(handle_.get()), "LOCKSTEP-FENCED:") != nullptr;
    if (!fenced) fail(sqlite3_sql(statement.get()));
    sqlite3_reset(statement.get());
    return false;
  }
  [[noreturn]] void fail(const std::string& doing) {
    throw std::runtime_error(doing + ": " + sqlite3_errmsg(handle_.get()));
  }

  std::unique_ptr<sqlite3, Close> handle_;
  std::vector<Prepared> statements_;
  Prepared begin_, commit_, back_;
  Clock::time_point blocked_since_{}, last_busy_{};
  std::vector<std::int64_t> holds_us_;
};

class PostgresSide : public Side {
 public:
  explicit PostgresSide(const std::string& conninfo) : handle_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(handle_.get()) != CONNECTION_OK) fail("connect");
    PQsetNoticeProcessor(
        handle_.get(), [](void*, const char*) {}, nullptr);
  }

  bool write(const std::vector<Change>& transaction) override {
    const bool bracketed = transaction.size() > 1;
    if (bracketed) run("BEGIN");
    for (const Change& change : transaction) {
      const std::string name = "s" + std::to_string(change.statement);
      if (!std::exchange(prepared_[change.statement], true)) prepare(name, change.statement);
      const std::string a = std::to_string(change.a), b = std::to_string(change.b);
      const std::array<const char*, 2> values{a.c_str(), b.c_str()};
      const Result done{PQexecPrepared(handle_.get(), name.c_str(),
                                       change.statement == kDelete ? 1 : 2, values.data(), nullptr,
                                       nullptr, 0)};
      if (PQresultStatus(done.get()) == PGRES_COMMAND_OK) continue;
      const std::string said = PQresultErrorMessage(done.get());
      if (said.find("LS-X602") == std::string::npos &&
          said.find("LOCKSTEP-FENCED:") == std::string::npos)
        throw std::runtime_error(said);
      if (bracketed) run("ROLLBACK");
      return false;
    }
    if (bracketed) run("COMMIT");
    return true;
  }

  std::int64_t number(const std::string& sql) override {
    const Result answer{PQexec(handle_.get(), sql.c_str())};
    if (PQresultStatus(answer.get()) != PGRES_TUPLES_OK) fail(sql);
    return std::stoll(PQgetvalue(answer.get(), 0, 0));
  }

 private:
  struct Finish {
    void operator()(PGconn* handle) const noexcept { PQfinish(handle); }
  };
  struct Clear {
    void operator()(PGresult* handle) const noexcept { PQclear(handle); }
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  void prepare(const std::string& name, std::size_t statement) {
    const char* sql = kStatements[statement].postgres;
    const Result made{PQprepare(handle_.get(), name.c_str(), sql, 0, nullptr)};
    if (PQresultStatus(made.get()) != PGRES_COMMAND_OK) fail(sql);
  }
  void run(const char* sql) {
    const Result done{PQexec(handle_.get(), sql)};
    if (PQresultStatus(done.get()) != PGRES_COMMAND_OK) fail(sql);
  }
  [[noreturn]] void fail(const std::string& doing) {
    throw std::runtime_error(doing + ": " + PQerrorMessage(handle_.get()));
  }

  std::unique_ptr<PGconn, Finish> handle_;
  std::array<bool, kStatements.size()> prepared_{};
};

}  // namespace load
