// What lockstep-writer does inside a transaction.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tools/random.hpp"

namespace writer {

using tools::Random;

struct CloseDatabase {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
};

class Database {
 public:
  explicit Database(const std::string& path) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) fail("open " + path);
    sqlite3_busy_timeout(handle, 5000);
  }

  /// Runs one statement and returns the first column of its first row, if there is one. Statements
  /// are kept.
  std::optional<std::int64_t> run(const char* sql,
                                  std::initializer_list<std::int64_t> parameters = {}) {
    auto& statement = statements_[sql];
    if (!statement) {
      sqlite3_stmt* handle = nullptr;
      const int code =
          sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
      statement.reset(handle);
      if (code != SQLITE_OK) fail(sql);
    }
    int place = 0;
    for (const std::int64_t parameter : parameters)
      sqlite3_bind_int64(statement.get(), ++place, parameter);
    std::optional<std::int64_t> first;
    int code = sqlite3_step(statement.get());
    if (code == SQLITE_ROW) first = sqlite3_column_int64(statement.get(), 0);
    while (code == SQLITE_ROW) code = sqlite3_step(statement.get());
    const std::string failure = code == SQLITE_DONE ? "" : sqlite3_errmsg(handle_.get());
    sqlite3_reset(statement.get());
    if (code != SQLITE_DONE) throw std::runtime_error(std::string(sql) + ": " + failure);
    return first;
  }

  /// The first column of every row.
  std::vector<std::int64_t> column(const std::string& sql) {
    sqlite3_stmt* handle = nullptr;
    const int prepared = sqlite3_prepare_v2(handle_.get(), sql.c_str(), -1, &handle, nullptr);
    const std::unique_ptr<sqlite3_stmt, Finalize> statement{handle};
    if (prepared != SQLITE_OK) fail(sql);
    std::vector<std::int64_t> values;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(handle)) == SQLITE_ROW)
      values.push_back(sqlite3_column_int64(handle, 0));
    if (code != SQLITE_DONE) fail(sql);
    return values;
  }

  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

 private:
  [[noreturn]] void fail(const std::string& doing) {
    throw std::runtime_error(doing + ": " + sqlite3_errmsg(handle_.get()));
  }

  std::unique_ptr<sqlite3, CloseDatabase> handle_;
  std::map<std::string_view, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

/// What one transaction does between BEGIN and COMMIT.
class Work {
 public:
  Work(Database& database, std::uint64_t seed) : database_(database), random_(seed) {
    days_ = database.run("SELECT ifnull(max(id), 1) FROM ohlcv_data").value();
    tickers_ = database.run("SELECT max(rowid) FROM tickers").value_or(1);
    accounts_ = database.run("SELECT max(id) FROM accounts").value_or(1);
  }

  /// True if the transaction is to be committed, false if it is to be rolled back.
  bool perform() {
    wrote_ledger_ = false;
    const std::int64_t dice = random_.between(1, 100);
    if (dice <= 30) return update_day();
    if (dice <= 50) return insert_day();
    if (dice <= 58) return delete_day();
    if (dice <= 65) return change_ticker();
    if (dice <= 70) return change_keys();
    if (dice <= 78) return replace();
    if (dice <= 92) return transfer();
    if (dice <= 96) return with_savepoint();
    update_day();
    transfer();
    return false;
  }

  /// Numbers the state that the open transaction is about to make, and notes in the same row what
  /// must be true of the other tables in it. Returns the number.
  std::optional<std::int64_t> count_commit() {
    return database_.run(
        "UPDATE counter SET n = n + 1, entries = entries + ?1, entry_sum = entry_sum + ?1 * (n + "
        "1), account_sum = (SELECT sum(id * balance) FROM accounts), day = ?2, volume = (SELECT "
        "volume FROM ohlcv_data WHERE id = ?2), newest_day = (SELECT max(id) FROM ohlcv_data) "
        "WHERE id = 1 RETURNING n",
        {wrote_ledger_ ? 1 : 0, day_});
  }

  /// True if the last perform() wrote a ledger entry.
  [[nodiscard]] bool wrote_ledger() const { return wrote_ledger_; }

 private:
  std::int64_t some_day() {  // most of the traffic is about the newest days
    day_ = random_.between(1, 3) == 1
               ? random_.between(1, days_)
               : random_.between(std::max<std::int64_t>(1, days_ - 2000), days_);
    return day_;
  }
  std::int64_t some_account() {
    const auto id = database_.run("SELECT id FROM accounts WHERE id >= ?1 ORDER BY id LIMIT 1",
                                  {random_.between(1, accounts_)});
    return id ? *id : database_.run("SELECT min(id) FROM accounts").value();
  }

  bool update_day() {
    database_.run("UPDATE ohlcv_data SET close = ?2 / 10000.0, volume = volume + ?3 WHERE id = ?1",
                  {some_day(), random_.between(1, 9'999'999), random_.between(0, 500)});
    return true;
  }

  bool insert_day() {
    days_ = std::max(
        days_,
        database_
            .run("INSERT INTO ohlcv_data(ticker, region, timeframe, date, open, high, low, close, "
                 "volume, created_at) SELECT ticker, region, 'M', date(date, printf('+%d days', "
                 "?2)), ?3 / 10000.0, NULL, NULL, ?3 / 10000.0, ?2, datetime('now') FROM "
                 "ohlcv_data WHERE id >= ?1 ORDER BY id LIMIT 1 ON CONFLICT DO UPDATE SET "
                 "volume = volume + 1 RETURNING id",
                 {some_day(), random_.between(1, 4000), random_.between(1, 99'999'999)})
            .value_or(days_));
    return true;
  }

  bool delete_day() {
    database_.run("DELETE FROM ohlcv_data WHERE id = ?1", {some_day()});
    return true;
  }

  bool change_ticker() {
    const std::int64_t row = random_.between(1, tickers_);
    switch (random_.between(1, 4)) {
      case 1:
        database_.run(
            "INSERT OR IGNORE INTO tickers(ticker, region, name, asset_type) "
            "VALUES (printf('NEW%d', ?1), 'US', printf('Ünïcode %d', ?1), 'STOCK')",
            {row});
        break;
      case 2:
        database_.run("DELETE FROM tickers WHERE region = 'US' AND ticker = printf('NEW%d', ?1)",
                      {row});
        break;
      default:
        database_.run(
            "UPDATE tickers SET is_active = 1 - is_active, name = CASE ?2 WHEN 1 THEN NULL WHEN 2 "
            "THEN '' "
            "ELSE name END, last_updated = datetime('now') WHERE rowid = ?1",
            {row, random_.between(1, 20)});
    }
    return true;
  }

  bool change_keys() {
    switch (random_.between(1, 3)) {
      case 1:  // a part of a composite text key
        database_.run(
            "UPDATE OR IGNORE tickers SET ticker = CASE WHEN ticker LIKE '%.X' THEN "
            "substr(ticker, 1, length(ticker) - 2) ELSE ticker || '.X' END WHERE rowid = ?1",
            {random_.between(1, tickers_)});
        break;
      case 2:  // an integer key, to the end
        days_ = std::max(days_,
                         database_
                             .run("UPDATE ohlcv_data SET id = (SELECT max(id) + 1 FROM ohlcv_data) "
                                  "WHERE id = ?1 RETURNING id",
                                  {some_day()})
                             .value_or(days_));
        break;
      default:
        swap_owners();
    }
    return true;
  }

  /// Two unique values change places: at no moment may both rows have the same.
  void swap_owners() {
    const std::int64_t a = some_account();
    const std::int64_t b = some_account();
    if (a == b) return;
    database_.run(
        "UPDATE accounts SET owner = owner || '|' || (SELECT owner FROM accounts WHERE id = ?2) "
        "WHERE id = ?1",
        {a, b});
    database_.run(
        "UPDATE accounts SET owner = (SELECT substr(owner, 1, instr(owner, '|') - 1) FROM accounts "
        "WHERE id = ?1) "
        "WHERE id = ?2",
        {a, b});
    database_.run("UPDATE accounts SET owner = substr(owner, instr(owner, '|') + 1) WHERE id = ?1",
                  {a});
  }

  bool replace() {
    if (random_.between(1, 3) >
        1) {  // meets UNIQUE (ticker, region, date, timeframe): another id deletes the old row
      days_ = std::max(
          days_,
          database_
              .run(
                  "INSERT OR REPLACE INTO ohlcv_data(ticker, region, timeframe, date, open, close, "
                  "volume, created_at) SELECT ticker, region, timeframe, date, close, open, "
                  "volume, datetime('now') FROM ohlcv_data WHERE id = ?1 RETURNING id",
                  {some_day()})
              .value_or(days_));
      return true;
    }
    const std::int64_t account = some_account();
    accounts_ = std::max(
        accounts_,
        database_
            .run("INSERT OR REPLACE INTO accounts(id, owner, balance) SELECT (SELECT max(id) "
                 "+ 1 FROM accounts), owner, balance FROM accounts WHERE id = ?1 "
                 "RETURNING id",
                 {account})
            .value_or(accounts_));
    return true;
  }

  bool transfer() {
    const std::int64_t amount = random_.between(1, 50);
    const std::int64_t from = some_account();
    const std::int64_t to = some_account();
    database_.run("UPDATE accounts SET balance = balance - ?2 WHERE id = ?1", {from, amount});
    database_.run("UPDATE accounts SET balance = balance + ?2 WHERE id = ?1", {to, amount});
    database_.run(
        "INSERT INTO ledger_entries(n, note) SELECT n + 1, printf('%d: %d -> %d', ?1, ?2, ?3) FROM "
        "counter",
        {amount, from, to});
    wrote_ledger_ = true;
    return true;
  }

  bool with_savepoint() {
    update_day();
    database_.run("SAVEPOINT attempt");
    delete_day();
    replace();
    transfer();
    database_.run("ROLLBACK TO attempt");
    wrote_ledger_ = false;
    insert_day();
    database_.run("RELEASE attempt");
    return true;
  }

  Database& database_;
  Random random_;
  std::int64_t days_ = 1;
  std::int64_t day_ = 1;  ///< the one that was touched last
  std::int64_t tickers_ = 1;
  std::int64_t accounts_ = 1;
  bool wrote_ledger_ = false;
};

}  // namespace writer
