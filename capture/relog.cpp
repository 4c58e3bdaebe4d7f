#include "capture/relog.hpp"

#include <fmt/format.h>

#include <map>
#include <string>

#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

namespace {

std::string insert_sql(std::size_t key_columns) {
  std::string columns = "tbl", values = "?1";
  for (std::size_t i = 1; i <= key_columns; ++i) {
    columns += fmt::format(", k{}", i);
    values += fmt::format(", ?{}", i + 1);
  }
  return fmt::format("INSERT INTO {}({}) VALUES ({})", kChangeTable, columns, values);
}

}  // namespace

void log_keys(sqlite::Database& database, const std::vector<KeyToRead>& keys) {
  std::map<std::size_t, sqlite::Statement> by_width;
  for (const KeyToRead& each : keys) {
    const std::size_t width = each.key.size();
    auto insert = by_width.find(width);
    if (insert == by_width.end())
      insert = by_width.try_emplace(width, database, insert_sql(width)).first;
    insert->second.bind(1, static_cast<std::int64_t>(each.table));
    for (std::size_t i = 0; i < width; ++i)
      insert->second.bind(static_cast<int>(i) + 2, each.key[i].view());
    insert->second.run();
    insert->second.reset();
  }
}

void log_again(sqlite::Database& database, const std::vector<KeyToRead>& keys,
               const std::vector<std::uint32_t>& tables) {
  database.exec("PRAGMA synchronous=EXTRA");
  sqlite::Transaction transaction(database, sqlite::Transaction::Mode::immediate);
  log_keys(database, keys);
  for (const std::uint32_t table : tables)
    database.exec(fmt::format("INSERT INTO {}(tbl) VALUES (-{})", kChangeTable, table));
  transaction.commit();
}

}  // namespace lockstep::capture
