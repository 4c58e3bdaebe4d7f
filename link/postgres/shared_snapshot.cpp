#include "link/postgres/shared_snapshot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "link/postgres/names.hpp"

namespace lockstep::postgres {

std::string export_snapshot(Connection& connection) {
  return std::string(connection.exec("SELECT pg_catalog.pg_export_snapshot()").value(0, 0));
}

void begin_at_snapshot(Connection& connection, const std::string& snapshot,
                       const std::vector<std::string>& tables) {
  try {
    connection.exec(fmt::format(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}{}",
        literal(snapshot),
        tables.empty()
            ? ""
            : fmt::format("; LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT", fmt::join(tables, ", "))));
  } catch (const Error&) {
    connection.abort();
    throw;
  }
}

}  // namespace lockstep::postgres
