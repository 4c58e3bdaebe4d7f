// A database whose application writes on both sides, and that application.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "link/postgres/connection.hpp"
#include "tests/system/existing_world.hpp"

namespace lockstep::test {

/// What the server answers to the application; "" if it let it pass.
inline std::string attempt(const std::string& dsn, const std::string& sql) {
  try {
    query(dsn, sql, Guard::met);
    return {};
  } catch (const std::exception& refused) {
    return refused.what();
  }
}

inline std::string sqlite_attempt(const std::string& file, const std::string& sql) {
  try {
    sqlite(file, sql);
    return {};
  } catch (const std::exception& refused) {
    return refused.what();
  }
}

/// A shop of several tables, some of which its application writes on both sides itself.
class DualShop {
 public:
  explicit DualShop(const std::string& name)
      : name_(name), file_(folder_.file("shop.db")), dsn_(server().create_database(name)) {
    sqlite(file_,
           "PRAGMA journal_mode = WAL;"
           "CREATE TABLE orders(id INTEGER PRIMARY KEY, token TEXT UNIQUE, n INT, price NUMERIC);"
           "CREATE TABLE parts(k TEXT PRIMARY KEY, n INT, r REAL);"
           "CREATE TABLE strict(k TEXT, part INT, n INT, PRIMARY KEY(k, part));"
           "CREATE TABLE visits(id CHAR(32) PRIMARY KEY, at DATETIME, doc JSON);"
           "CREATE TABLE plain(id INTEGER PRIMARY KEY, n INT);"
           "CREATE TABLE keyless(n INT);"
           "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 400) "
           "INSERT INTO orders SELECT x, 't' || x, 0, x / 4.0 FROM c;"
           "INSERT INTO parts VALUES ('a', 0, 0.5), ('b', 0, 0.5), ('c', 0, 0.5), ('d', 0, 1);"
           "INSERT INTO strict VALUES ('a', 1, 0), ('b', 2, 0);"
           "INSERT INTO visits VALUES ('00112233445566778899aabbccddeeff', '2026-01-02 03:04:05', "
           "'{\"a\": 1}');"
           "INSERT INTO plain VALUES (1, 0), (2, 0);"
           "INSERT INTO keyless VALUES (1)");
  }

  std::string configure(const std::string& dual, const std::string& more = "") {
    const std::string path = folder_.file("shop.json");
    std::ofstream(path)
        << R"({"version": 1, "verify": {"continuous": false}, "tables": {"dual_write": )" << dual
        << "}" << more << "}";
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }
  void start(const std::string& dual, ProcessOptions options = {}, const std::string& more = "") {
    run_ = start_lockstep({"run", file_, dsn_, "--quiet", "--config", configure(dual, more)},
                          std::move(options));
  }
  void start_as_it_was() { run_ = start_lockstep({"run", file_, dsn_, "--quiet"}); }
  void stop() {
    run_->signal(SIGTERM);
    const ExitStatus status = run_->wait_or_throw(20s);
    INFO(status.code.value_or(-1) << " " << status.signal.value_or(-1) << "\n"
                                  << run_->error_output());
    REQUIRE(status == ExitStatus{.code = 143});
  }
  void caught_up() { require_caught_up(*run_, file_); }
  /// It ends by itself, naming `code` and each of `words`.
  void halts(int exit_code, const std::string& code, const std::vector<std::string>& words) {
    const ExitStatus status = run_->wait_or_throw(40s);
    const std::string said = run_->error_output();
    INFO(said);
    REQUIRE(status == ExitStatus{.code = exit_code});
    REQUIRE_THAT(said, Catch::Contains("error[" + code + "]"));
    for (const std::string& word : words) REQUIRE_THAT(said, Catch::Contains(word));
  }

  void here(const std::string& sql) const { sqlite(file_, sql); }
  void there(const std::string& sql) const {
    INFO(sql);
    REQUIRE(attempt(dsn_, sql).empty());
  }
  void there_refused(const std::string& sql, const std::string& words = "LS-X602") const {
    INFO(sql);
    REQUIRE_THAT(attempt(dsn_, sql), Catch::Contains(words));
  }
  [[nodiscard]] std::string seen(const std::string& sql) const { return value(sql, name_); }
  [[nodiscard]] nlohmann::json status() const {
    const Outcome outcome = lockstep({"status", file_, "--json"});
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  }
  [[nodiscard]] nlohmann::json table(const std::string& name) const {
    const nlohmann::json now = status();
    for (const nlohmann::json& each : now["tables"])
      if (each["name"] == name) return each;
    return nullptr;
  }
  [[nodiscard]] std::string conflicts(const std::string& table) const {
    return seen(
        "SELECT conflicts FROM lockstep.dual_writes JOIN lockstep.ledger_tables USING "
        "(migration, id) WHERE name = '" +
        table + "'");
  }
  /// Comes into force a moment after the copy is caught up.
  void begun(const std::string& table) const {
    REQUIRE(wait_until([&] { return this->table(table)["dual_write"].is_object(); }, 20s, 20ms));
  }
  [[nodiscard]] Outcome verify(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"verify", file_, dsn_});
    return lockstep(std::move(more));
  }

  Process& run() { return *run_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }

 private:
  std::string name_;
  TempDir folder_;
  std::string file_, dsn_;
  std::unique_ptr<Process> run_;
};

/// Writes each row once, on one side and then on the other.
class DualWriter {
 public:
  enum class First { sqlite, postgres };
  DualWriter(DualShop& shop, First first, int from, int to)
      : thread_([this, &shop, first, from, to] {
          try {
            for (int id = from; id < to; ++id) write(shop, first, id);
          } catch (const std::exception& error) {
            problem_ = error.what();
          }
        }) {}
  std::string finish() {
    thread_.join();
    return problem_;
  }

 private:
  // Whoever comes second may find the row there already: lockstep has brought it.
  static void write(DualShop& shop, First first, int id) {
    std::string here, there;
    if (id % 5 == 0) {
      here = there = fmt::format("DELETE FROM orders WHERE id = {}", id);
    } else if (id % 5 == 1) {
      here = there =
          fmt::format("INSERT INTO orders VALUES ({0}, 'new {0}', {0}, 1.25)", 10'000 + id);
      there +=
          " ON CONFLICT (id) DO UPDATE SET token = EXCLUDED.token, n = EXCLUDED.n, price = "
          "EXCLUDED.price";
    } else {
      here = fmt::format("UPDATE orders SET n = n + {0}, price = {0}.5 WHERE id = {0}", id);
      there = fmt::format("UPDATE orders SET n = {0}, price = {0}.50 WHERE id = {0}", id);
    }
    if (first == First::sqlite) shop.here(here);
    // Beside lockstep's INSERT of the same row PostgreSQL can meet it in another UNIQUE than the
    // one of ON CONFLICT: that one has no second look. ops/SWITCHING.md: it may fail, the row
    // comes.
    const std::string refused = attempt(shop.dsn(), there);
    if (first == First::sqlite && refused.find("orders_token_key") != std::string::npos) return;
    if (!refused.empty()) throw std::runtime_error(refused);
    if (first == First::postgres) shop.here(here);
  }

  std::string problem_;
  std::thread thread_;
};

}  // namespace lockstep::test
