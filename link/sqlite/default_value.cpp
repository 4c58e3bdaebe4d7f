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

}  // namespace lockstep::sqlite
