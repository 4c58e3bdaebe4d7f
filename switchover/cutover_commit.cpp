#include "switchover/cutover_commit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "link/postgres/names.hpp"
#include "link/postgres/table_change.hpp"
#include "switchover/control_rows.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;

// hashtextextended of a UUID: 64 random bits without an extension.
ReversePosition draw_base(Connection& connection) {
  const postgres::Result drawn = connection.exec(
      "SELECT u, hashtextextended(gen_random_uuid()::text, 0) FROM gen_random_uuid() AS u");
  return {std::string(drawn.value(0, 0)), 0, drawn.integer(0, 1)};
}

RowChange to_primary(std::int64_t attempt, const Position& barrier, const ReversePosition& base) {
  return {fmt::format("decision = 'committed', role = 'primary' WHERE role = 'replica' AND "
                      "decision = 'pending' AND attempt = {}",
                      attempt),
          fmt::format("switching = false, role = 'primary', reverse_era = {}::uuid, reverse_number "
                      "= 0, reverse_identity = {} WHERE role = 'replica' AND era = {}::uuid AND "
                      "seq = {} AND identity = {}",
                      postgres::literal(base.era), base.identity,
                      postgres::literal(to_string(barrier.era)), barrier.seq, barrier.identity)};
}

}  // namespace

CutoverCommit::CutoverCommit(Connection& connection, std::string migration, std::int64_t attempt,
                             Milliseconds patience)
    : connection_(connection), migration_(std::move(migration)), attempt_(attempt) {
  base_ = draw_base(connection_);
  begin_control(connection_, patience + kIdleMax);
  try {
    connection_.exec(
        fmt::format("SET LOCAL lock_timeout = {}", std::max<std::int64_t>(patience.count(), 1)));
    pending_ = connection_
                   .exec(fmt::format(
                       "SELECT FROM lockstep.switchover WHERE role = 'replica' AND decision = "
                       "'pending' AND attempt = {} AND migration = {} FOR UPDATE",
                       attempt_, postgres::literal(migration_)))
                   .rows() == 1;
    connection_.exec(fmt::format("SELECT FROM lockstep.ledger WHERE migration = {} FOR UPDATE",
                                 postgres::literal(migration_)));
  } catch (const Error& error) {
    connection_.abort();
    if (error.foreign() != postgres::kLockNotGranted) throw;
    throw Error({.code = "LS-X604",
                 .exit = ExitCode::timed_out,
                 .what = fmt::format("a transaction on PostgreSQL that may write there did not end "
                                     "within {} ms, what was left of the pause budget",
                                     patience.count()),
                 .why = fence_holders(connection_, migration_),
                 .data = "nothing changed: the application goes on writing to SQLite",
                 .todo = "end that transaction, or allow a longer pause: --max-pause 2s",
                 .foreign = error.foreign()});
  }
}

CutoverCommit::~CutoverCommit() {
  if (open_) connection_.abort();
}

std::optional<ReversePosition> CutoverCommit::commit(const Position& barrier) {
  if (!update_rows(connection_, migration_, to_primary(attempt_, barrier, base_)))
    return std::nullopt;
  open_ = false;
  commit_control(connection_);
  return base_;
}

std::optional<ReversePosition> commit_postgres(Connection& connection, const std::string& migration,
                                               std::int64_t attempt, const Position& barrier) {
  const ReversePosition base = draw_base(connection);
  if (!change_rows(connection, migration, to_primary(attempt, barrier, base))) return std::nullopt;
  return base;
}

}  // namespace lockstep::switchover
