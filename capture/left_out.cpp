#include "capture/left_out.hpp"

#include <fmt/format.h>

#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr char kLeftOut[] =
    "left_out:";  // one row of the meta table for each, for names hold anything

}  // namespace

std::vector<std::string> accepted_left_out(Database& database) {
  std::vector<std::string> tables;
  Statement rows(
      database,
      fmt::format("SELECT value FROM {} WHERE substr(name, 1, ?) = ? ORDER BY rowid", kMetaTable));
  const std::string_view mark(kLeftOut);
  rows.bind(1, static_cast<std::int64_t>(mark.size())).bind(2, mark);
  while (rows.step()) tables.emplace_back(rows.text(0));
  return tables;
}

void accept_left_out(Database& database, const std::vector<std::string>& tables) {
  database.exec("PRAGMA synchronous=EXTRA");
  sqlite::Transaction transaction(database, sqlite::Transaction::Mode::immediate);
  Statement keep(database,
                 fmt::format("INSERT OR REPLACE INTO {}(name, value) VALUES (?, ?)", kMetaTable));
  for (const std::string& table : tables) {
    keep.reset();
    keep.bind(1, std::string_view(kLeftOut + table)).bind(2, std::string_view(table)).run();
  }
  transaction.commit();
}

}  // namespace lockstep::capture
