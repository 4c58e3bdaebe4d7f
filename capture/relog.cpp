#include "capture/relog.hpp"

#include <fmt/format.h>

#include <string>

#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

void log_again(sqlite::Database& database, const std::vector<KeyToRead>& keys,
               const std::vector<std::uint32_t>& tables) {
  database.exec("PRAGMA synchronous=EXTRA");
  sqlite::Transaction transaction(database, sqlite::Transaction::Mode::immediate);
  for (const KeyToRead& each : keys) {
    std::string columns = "tbl", values = "?1";
    for (std::size_t i = 1; i <= each.key.size(); ++i) {
      columns += fmt::format(", k{}", i);
      values += fmt::format(", ?{}", i + 1);
    }
    sqlite::Statement insert(
        database, fmt::format("INSERT INTO {}({}) VALUES ({})", kChangeTable, columns, values));
    insert.bind(1, static_cast<std::int64_t>(each.table));
    for (std::size_t i = 0; i < each.key.size(); ++i)
      insert.bind(static_cast<int>(i) + 2, each.key[i].view());
    insert.run();
  }
  for (const std::uint32_t table : tables)
    database.exec(fmt::format("INSERT INTO {}(tbl) VALUES (-{})", kChangeTable, table));
  transaction.commit();
}

}  // namespace lockstep::capture
