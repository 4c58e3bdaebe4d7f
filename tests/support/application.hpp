// The application's side of a test: plain SQLite, opened as an application would, nothing of ours
// in between.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace lockstep::test {

/// One connection that creates its file if need be. One thread.
class Application {
 public:
  explicit Application(const std::string& path) {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open(path.c_str(), &raw);
    handle_.reset(raw);
    if (code != SQLITE_OK) throw std::runtime_error("opening " + path);
    sqlite3_busy_timeout(raw, 10'000);
    // What is tested is never a power loss, so nothing has to reach the disk.
    exec("PRAGMA synchronous=OFF");
  }

  [[nodiscard]] sqlite3* handle() { return handle_.get(); }

  /// One or more statements. Throws std::runtime_error with SQLite's text.
  void exec(const std::string& sql) {
    if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_.get()));
  }

  /// False if a constraint refused it; throws on every other error.
  bool attempt(const std::string& sql) {
    const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return true;
    if ((code & 0xff) == SQLITE_CONSTRAINT) return false;
    throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_.get()));
  }

  /// The rows of one statement, each cell as SQLite prints it; nothing: NULL.
  std::vector<std::vector<std::optional<std::string>>> query(const std::string& sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(handle_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK)
      throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_.get()));
    const std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
    std::vector<std::vector<std::optional<std::string>>> rows;
    int code = SQLITE_OK;
    while ((code = sqlite3_step(raw)) == SQLITE_ROW) {
      auto& row = rows.emplace_back();
      for (int i = 0; i < sqlite3_column_count(raw); ++i) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw, i));
        row.push_back(text == nullptr ? std::nullopt : std::optional<std::string>(text));
      }
    }
    if (code != SQLITE_DONE) throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_.get()));
    return rows;
  }

  /// The first cell; empty if there is none or it is NULL.
  std::string value(const std::string& sql) {
    const auto rows = query(sql);
    return rows.empty() ? std::string() : rows[0][0].value_or("");
  }

  [[nodiscard]] std::int64_t last_insert_rowid() const {
    return sqlite3_last_insert_rowid(handle_.get());
  }
  [[nodiscard]] int changes() const { return sqlite3_changes(handle_.get()); }
  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace lockstep::test
