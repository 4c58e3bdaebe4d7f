#include "link/sqlite/default_value.hpp"

#include <fmt/format.h>

#include <string>

#include "link/sqlite/database.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::sqlite {

std::optional<Value> value_by_default(const Column& column) {
  Database database = Database::in_memory();
  database.exec("CREATE TABLE t(a); INSERT INTO t VALUES (1)");
  try {
    Statement alter(database, fmt::format("ALTER TABLE t ADD COLUMN c {}{}{}", column.declared_type,
                                          column.not_null ? " NOT NULL" : "",
                                          column.default_sql.empty()
                                              ? ""
                                              : fmt::format(" DEFAULT ({})", column.default_sql)));
    alter.run();
  } catch (const Error&) {
    return std::nullopt;
  }
  database.exec("INSERT INTO t(a) VALUES (2)");
  // A quoted type can have anything in it.
  const Column made = read_shape(database, "t").columns.at(1);
  if (made.declared_type != column.declared_type || made.default_sql != column.default_sql ||
      made.not_null != column.not_null)
    return std::nullopt;
  Statement rows(database, "SELECT c FROM t ORDER BY a");
  check(rows.step(), "the first row is there");
  const Value older(rows.value(0));
  check(rows.step(), "the second row is there");
  if (!same_value(older.view(), rows.value(0))) return std::nullopt;
  return older;
}

std::optional<Value> value_on_insert(const Column& column) {
  Database database = Database::in_memory();
  try {
    Statement create(database,
                     fmt::format("CREATE TABLE t(a, c {} DEFAULT ({}))", column.declared_type,
                                 column.default_sql.empty() ? "NULL" : column.default_sql));
    create.run();
    Statement insert(database, "INSERT INTO t(a) VALUES (1)");
    insert.run();
  } catch (const Error&) {
    return std::nullopt;
  }
  const TableShape made = read_shape(database, "t");
  if (made.columns.size() < 2 || made.columns[1].declared_type != column.declared_type)
    return std::nullopt;
  Statement row(database, "SELECT c FROM t");
  check(row.step(), "the row is there");
  return Value(row.value(0));
}

}  // namespace lockstep::sqlite
