#include "apply/dual_merge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "apply/merge.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;

constexpr char kUniqueTaken[] = "23505";
constexpr int kManyRows = 1'000;  // from here on the planner has to know how many there are

struct Met {
  std::int64_t conflicts = 0;
  std::string key;  // of one of them
};

Met look_at_rows(Connection& connection, const std::string& schema, const TablePlan& plan) {
  connection.exec(dual_look_sql(schema, plan));
  const Result row = connection.exec(dual_conflicts_sql(plan));
  Met met;
  if (row.rows() == 0) return met;
  met.conflicts = row.integer(0, 0);
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i) {
    const std::size_t column = plan.shape.key[i];
    terms.push_back(fmt::format(
        "{} = {}", plan.shape.columns[column].name,
        plan.is_personal(column) ? "(personal data)" : row.value(0, static_cast<int>(i) + 1)));
  }
  met.key = fmt::format("{}", fmt::join(terms, ", "));
  return met;
}

void count_conflicts(Connection& connection, const DualTable& table, const Met& met) {
  connection.query(
      "UPDATE lockstep.dual_writes SET conflicts = conflicts + $2::bigint, last_key = $3, last_at "
      "= now() WHERE number = $1::bigint",
      {std::to_string(table.number), std::to_string(met.conflicts), met.key});
}

[[noreturn]] void throw_conflict(const TablePlan& plan, const Met& met) {
  throw Error(
      {.code = "LS-X650",
       .exit = ExitCode::stopped,
       .what = fmt::format("{} was written otherwise on both sides: {}{}", plan.name(), met.key,
                           met.conflicts > 1 ? fmt::format(" and {} more", met.conflicts - 1) : ""),
       .why = "the row on PostgreSQL is neither what SQLite has nor what it had before (dual "
              "writing with the policy fail)",
       .data = "nothing of the batch was applied; changes wait in the source",
       .todo = "make the row on PostgreSQL what it is in SQLite, or delete it, then run again; or "
               "choose tables.dual_write: source or skip",
       .retry = Retry::new_session});
}

[[noreturn]] void throw_unique(const TablePlan& plan, const Error& cause) {
  throw Error(
      {.code = "LS-X651",
       .exit = ExitCode::stopped,
       .what = fmt::format("a row of {} cannot be written: another one on PostgreSQL has its "
                           "unique value",
                           plan.name()),
       .why = fmt::format("{}; the table is dual-written: the application gave that row another "
                          "key there, or SQLite lacks its write",
                          cause.facts().why),
       .data = "nothing of the batch was applied; changes wait in the source",
       .todo = "delete or correct the other row on PostgreSQL, then run again",
       .foreign = cause.foreign(),
       .retry = Retry::new_session});
}

void write_in_place(Connection& connection, const std::string& schema, const TablePlan& plan,
                    Conflicts conflicts) {
  connection.exec(dual_delete_sql(schema, plan, conflicts));
  if (const std::string update = dual_update_sql(schema, plan, conflicts); !update.empty())
    connection.exec(update);
}

void write_anew(Connection& connection, const std::string& schema, const TablePlan& plan,
                Conflicts conflicts) {
  connection.exec(dual_clear_sql(schema, plan, conflicts));
  try {
    connection.exec(dual_insert_sql(schema, plan, conflicts));
  } catch (const Error& error) {
    if (error.foreign() == kUniqueTaken) throw_unique(plan, error);
    throw;
  }
}

}  // namespace

std::int64_t merge_dual(Connection& connection, const std::string& schema, const TablePlan& plan,
                        const DualTable& table, bool whole, DualWay way) {
  connection.exec(create_dual_look_sql(plan));
  if (whole) connection.exec(dual_mark_missing_sql(schema, plan));
  if (connection.exec(dual_expect_sql(plan, table.number)).affected() > kManyRows)
    connection.exec("ANALYZE " + dual_look_name(plan));
  // Before the look: who inserts the same key is waited for, and then seen.
  if (way == DualWay::in_place) connection.exec(dual_add_sql(schema, plan));
  const Met met = look_at_rows(connection, schema, plan);
  if (met.conflicts > 0 && table.policy == DualPolicy::fail) throw_conflict(plan, met);
  const Conflicts conflicts =
      table.policy == DualPolicy::skip ? Conflicts::kept : Conflicts::overwritten;
  if (way == DualWay::in_place)
    write_in_place(connection, schema, plan, conflicts);
  else
    write_anew(connection, schema, plan, conflicts);
  for (const std::string& sql : dual_remember_sql(plan, table.number, whole)) connection.exec(sql);
  if (met.conflicts > 0) count_conflicts(connection, table, met);
  return met.conflicts;
}

}  // namespace lockstep::apply
