#include "ops/lock_holders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ops/printable.hpp"
#include "switchover/fence_sql.hpp"

namespace lockstep::ops {

namespace {

using postgres::Connection;
using postgres::Result;
using switchover::Coordinator;

struct LockHolder {
  std::string what, todo;
};

// Of w(pid, place, gid, since, application_name, state, holding), where `place` is the transaction:
// what it is, what ends it, its place, and whether how old it is can be seen at all.
constexpr char kShown[] =
    "SELECT CASE WHEN w.gid IS NOT NULL THEN 'prepared ' || quote_literal(w.gid) ELSE "
    "coalesce('pid ' || w.pid, 'a prepared transaction') || coalesce(' (' || "
    "nullif(w.application_name, '') || ')', '') || coalesce(', ' || w.state, '') END || "
    "coalesce(', for ' || extract(epoch FROM clock_timestamp() - w.since)::numeric(12, 1) || ' "
    "s', '') || w.holding, CASE WHEN w.gid IS NOT NULL THEN 'as its coordinator decided: COMMIT "
    "PREPARED ' || quote_literal(w.gid) || ', or ROLLBACK PREPARED ' || quote_literal(w.gid) ELSE "
    "coalesce('SELECT pg_terminate_backend(' || w.pid || ')', 'SELECT * "
    "FROM pg_prepared_xacts') END, w.place, w.since IS NULL AND w.pid IS NOT NULL FROM (";
constexpr char kOld[] =
    ") AS w WHERE w.since IS NULL OR w.since < clock_timestamp() - interval '1 ms' * ";

// Of a lock `l`. A prepared transaction has no process; the lock on its own number says which one
// it is.
constexpr char kWho[] =
    " LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid LEFT JOIN pg_locks AS x ON l.pid IS NULL "
    "AND "
    "x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction AND x.locktype = "
    "'transactionid' LEFT JOIN pg_prepared_xacts AS p ON p.transaction = x.transactionid WHERE "
    "l.granted AND (l.pid IS NULL OR l.pid <> pg_backend_pid())";

// A role that may not see other roles' transactions (pg_read_all_stats) is not told their age: who
// is still there after `patience` is as old as that.
std::vector<LockHolder> holders(Connection& target, const std::string& sql,
                                const std::vector<std::optional<std::string>>& parameters,
                                Milliseconds patience) {
  std::set<std::string> before;
  for (bool again = false;; again = true) {
    const Result rows = target.query(sql, parameters);
    std::vector<LockHolder> found;
    std::set<std::string> hidden;
    for (int row = 0; row < rows.rows(); ++row) {
      const std::string place(rows.value(row, 2));
      if (rows.boolean(row, 3)) hidden.insert(place);
      if (!rows.boolean(row, 3) || before.contains(place))
        found.push_back({printable(rows.value(row, 0)), printable(rows.value(row, 1))});
    }
    if (again || hidden.empty()) return found;
    before = std::move(hidden);
    std::this_thread::sleep_for(patience);
  }
}

Gate gate_of(const std::vector<LockHolder>& found, const char* what, Milliseconds patience) {
  constexpr std::size_t kNamedMax = 3;
  std::string named, todo;
  for (std::size_t i = 0; i < std::min(found.size(), kNamedMax); ++i) {
    named += fmt::format("; {}", found[i].what);
    todo += fmt::format("{}{}", i == 0 ? "end them: " : "; ", found[i].todo);
  }
  return {"long transactions", found.empty(), fmt::format("{} {}{}", found.size(), what, named),
          fmt::format("none older than {} ms", patience.count()), std::move(todo)};
}

}  // namespace

Gate long_writers_gate(Coordinator& coordinator, Milliseconds max_pause) {
  constexpr std::int64_t kShare = 10;  // so much of the budget may go by before they end
  const Milliseconds patience = max_pause / kShare;
  const std::string sql = fmt::format(
      "{}SELECT l.pid, l.virtualtransaction AS place, p.gid, a.application_name, a.state, "
      "coalesce(a.xact_start, p.prepared) AS since, '' AS holding FROM pg_locks AS l{} AND "
      "l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) "
      "= {}{}{} ORDER BY w.since",
      kShown, kWho, switchover::fence_lock(coordinator.place().migration), kOld, patience.count());
  return gate_of(holders(coordinator.postgres(), sql, {}, patience), "that have written", patience);
}

Gate lock_holders_gate(Coordinator& coordinator) {
  constexpr Milliseconds kPatience{1'000};
  const std::string sql = fmt::format(
      "{}SELECT l.pid, l.virtualtransaction AS place, p.gid, a.application_name, a.state, "
      "coalesce(a.xact_start, p.prepared) AS since, ' holds ' || min(l.mode) || ' on ' || "
      "min(c.relname) AS holding FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN "
      "pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = $2 JOIN lockstep.ledger_tables "
      "AS t ON t.name = c.relname AND t.migration = $1{} AND l.locktype = 'relation' AND "
      "l.database "
      "= (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.mode NOT IN "
      "('AccessShareLock', 'RowShareLock') AND coalesce(a.backend_type, 'client backend') = "
      "'client backend' AND NOT starts_with(coalesce(a.application_name, ''), 'lockstep') GROUP BY "
      "l.pid, l.virtualtransaction, p.gid, p.prepared, a.application_name, a.state, "
      "a.xact_start{}{} ORDER BY w.since",
      kShown, kWho, kOld, kPatience.count());
  return gate_of(holders(coordinator.postgres(), sql,
                         {coordinator.place().migration, coordinator.place().schema}, kPatience),
                 "that lock followed tables", kPatience);
}

}  // namespace lockstep::ops
