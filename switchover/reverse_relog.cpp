#include "switchover/reverse_relog.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "link/postgres/names.hpp"
#include "verify/range_sql.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;
using verify::Key;

constexpr std::size_t kKeysAtOnce = 5'000;

bool has_nul(const Key& key) {
  return std::any_of(key.begin(), key.end(), [](const Value& value) {
    return value.kind == ValueClass::text && value.bytes.find('\0') != std::string::npos;
  });
}

std::string own_type_of(const TablePlan& plan, std::size_t column) {
  return plan.existing ? plan.existing->columns[column].type
                       : std::string(to_string(plan.types[column]));
}

// The texts that the trigger would log, of rows that are there.
std::string log_rows_sql(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> key;
  for (const std::size_t column : plan.shape.key)
    key.push_back(fmt::format("t.{}::text", postgres::quoted(plan.target_column(column))));
  return fmt::format(
      "INSERT INTO lockstep.changes (migration, tbl, key) SELECT $1, $2::integer, ARRAY[{}] FROM "
      "{} AS t WHERE {}",
      fmt::join(key, ", "), postgres::qualified(schema, plan.target_name()),
      verify::target_has_key(plan));
}

std::string log_keys_sql(const TablePlan& plan) {
  const verify::WantedKeys wanted = verify::wanted_keys(plan);
  std::vector<std::string> key;
  for (std::size_t i = 0; i < wanted.columns.size(); ++i)
    key.push_back(
        fmt::format("(({})::{})::text", wanted.columns[i], own_type_of(plan, plan.shape.key[i])));
  return fmt::format(
      "INSERT INTO lockstep.changes (migration, tbl, key) SELECT $1, $2::integer, ARRAY[{}] FROM "
      "{}",
      fmt::join(key, ", "), wanted.from);
}

/// One transaction's worth.
class Relog {
 public:
  Relog(Connection& connection, const std::string& migration, const std::string& schema)
      : connection_(connection), migration_(migration), schema_(schema) {}

  void table(const RowsToLog& rows) {
    const TablePlan& plan = *rows.plan;
    if (rows.anew) {
      connection_.query("INSERT INTO lockstep.changes (migration, tbl, key) VALUES ($1, $2, NULL)",
                        {migration_, fmt::to_string(plan.id)});
      return;
    }
    keys(plan, rows.there, log_rows_sql(schema_, plan));
    if (rows.gone.empty()) return;
    if (std::any_of(rows.gone.begin(), rows.gone.end(), has_nul)) {
      done.odd.push_back(plan.id);
      return;
    }
    connection_.exec("SAVEPOINT keys");
    const std::uint64_t before = done.rows;
    try {
      keys(plan, rows.gone, log_keys_sql(plan));
    } catch (const Error& error) {
      // A value that is none of the type, or is too large for it.
      if (!error.foreign().starts_with("22")) throw;
      connection_.exec("ROLLBACK TO SAVEPOINT keys");
      done.rows = before;
      done.odd.push_back(plan.id);
    }
  }

  Relogged done{};

 private:
  void keys(const TablePlan& plan, const std::vector<Key>& all, const std::string& sql) {
    for (std::size_t at = 0; at < all.size(); at += kKeysAtOnce) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end =
          all.begin() + static_cast<std::ptrdiff_t>(std::min(at + kKeysAtOnce, all.size()));
      verify::set_keys(connection_, plan, {first, end});
      done.rows += static_cast<std::uint64_t>(
          connection_.query(sql, {migration_, fmt::to_string(plan.id)}).affected());
    }
  }

  Connection& connection_;
  const std::string& migration_;
  const std::string& schema_;
};

}  // namespace

Relogged log_again(Connection& connection, const std::string& migration, const std::string& schema,
                   const std::vector<RowsToLog>& tables) {
  Relog relog(connection, migration, schema);
  connection.exec("BEGIN READ WRITE");
  try {
    for (const RowsToLog& rows : tables) relog.table(rows);
    connection.exec("COMMIT");
  } catch (...) {
    connection.abort();
    throw;
  }
  relog.done.snapshot =
      connection.exec("SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text").value(0, 0);
  return std::move(relog.done);
}

}  // namespace lockstep::switchover
