#include "ops/verify_at_rest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "apply/quarantine.hpp"
#include "ops/names.hpp"
#include "ops/own_ledger.hpp"
#include "ops/pass_leader.hpp"
#include "ops/schema_checks.hpp"
#include "ops/verify_queries.hpp"
#include "ops/verify_report.hpp"
#include "ops/verify_schema.hpp"
#include "switchover/lost_columns.hpp"
#include "switchover/reverse_errors.hpp"
#include "switchover/reverse_feed.hpp"
#include "switchover/sqlite_side.hpp"
#include "verify/back_plan.hpp"
#include "verify/compare.hpp"
#include "verify/range_sql.hpp"

namespace lockstep::ops {

namespace {

using apply::LedgerRow;

// A running lockstep needs a moment for the last changes; an application that goes on writing never
// comes to rest.
constexpr Milliseconds kTablesRestPatience{5'000};

LedgerRow wait_for_rest(sqlite::Database& source, postgres::Connection& target,
                        const capture::Installed& installed) {
  const Deadline deadline(kTablesRestPatience);
  while (true) {
    LedgerRow ledger = ledger_of(target, installed.migration);
    const Position newest = capture::newest_position(source, installed.era);
    if (ledger.consistent && ledger.position == newest) return ledger;
    if (deadline.passed()) throw_not_at_rest(newest, ledger.position);
    std::this_thread::sleep_for(Milliseconds{20});
  }
}

std::map<std::uint32_t, verify::QuarantinedKeys> quarantined_keys(postgres::Connection& target,
                                                                  const std::string& migration) {
  std::map<std::uint32_t, verify::QuarantinedKeys> keys;
  for (apply::QuarantinedRow& each : apply::read_quarantine(target, migration))
    keys[each.row.table].insert(std::move(each.row.key));
  return keys;
}

/// Both sides, each in a transaction of its own.
struct Rested {
  sqlite::Database& source;
  postgres::Connection& target;
  const LedgerRow& ledger;
  std::optional<Position> at;
};

// What is wrong with one table leaves the others to be compared.
verify::Comparison compare_one(const Rested& sides, const TablePlan& plan,
                               verify::QuarantinedKeys waiting, Flow flow, std::string& problem,
                               Screen& screen) {
  sides.target.exec("SAVEPOINT lockstep_table");
  try {
    return verify::compare_table(
        sides.source, sides.target, sides.ledger.target_schema, plan,
        [&](std::uint64_t seen) {
          screen.progress(fmt::format("comparing {}: {} rows", plan.name(),
                                      grouped(static_cast<std::int64_t>(seen))));
        },
        std::move(waiting), flow);
  } catch (const Error& error) {
    if (!is_of_one_table(error) || !sides.target.alive()) throw;
    problem = error.what();
    sides.target.exec("ROLLBACK TO SAVEPOINT lockstep_table");
    verify::Comparison none;
    none.table = plan.name();
    return none;
  }
}

void compare_tables(const Rested& sides, const std::vector<apply::LedgerTable>& tables,
                    const capture::Installed& installed, const VerifyRequest& request,
                    VerifyTotals& totals, Screen& screen) {
  print_head(totals.flow, screen);
  verify::read_rows_themselves(sides.target);
  SchemaNow schema = look_at_schema_now(sides.source, installed, request.tables);
  const bool cut_over = was_cut_over(sides.target, sides.ledger.migration);
  auto waiting = quarantined_keys(sides.target, sides.ledger.migration);
  for (const apply::LedgerTable& table : tables) {
    if (!request.tables.empty() && !matches_any(table.plan.name(), request.tables)) continue;
    if (schema.not_comparable.contains(table.plan.name())) continue;
    TablePlan plan = table.plan;
    forget_constants(plan, cut_over);
    const SteadyTime begun = steady_now();
    std::string problem;
    TableLine line =
        line_of(compare_one(sides, plan, std::move(waiting[plan.id]), totals.flow, problem, screen),
                sides.at);
    line.problem = std::move(problem);
    line.ms = std::chrono::duration_cast<Milliseconds>(steady_now() - begun).count();
    print(line, screen);
    totals.add(line);
  }
  for (CheckFinding& finding : schema.findings) totals.findings.push_back(std::move(finding));
}

void check_schema_too(const Rested& sides, const std::vector<apply::LedgerTable>& tables,
                      const VerifyRequest& request, VerifyTotals& totals) {
  if (!request.checks) return;
  for (CheckFinding& finding : check_schema(sides.target, sides.ledger, tables, request.tables))
    totals.findings.push_back(std::move(finding));
}

}  // namespace

void throw_not_at_rest(const Position& source, const std::optional<Position>& target) {
  throw Error({.code = "LS-V502",
               .exit = ExitCode::precondition,
               .what = "the two sides are not at rest",
               .why = fmt::format("the source is at {}, the target at {}", to_string(source),
                                  target ? to_string(*target) : "no position yet"),
               .data = "nothing was compared at one and the same state, so nothing is claimed",
               .todo = "stop the application's writes, lockstep wait SOURCE --for caught-up, then "
                       "verify again"});
}

apply::LedgerRow ledger_of(postgres::Connection& target, const std::string& migration) {
  const auto ledger = apply::read_ledger(target, migration, apply::RowLock::none);
  if (ledger && ledger->phase != apply::Phase::installing) return *ledger;
  throw Error({.code = "LS-R712",
               .exit = ExitCode::precondition,
               .what = fmt::format("the target knows no migration {}", migration),
               .why = "its ledger has no such row",
               .data = "nothing was compared",
               .todo = "lockstep run SOURCE TARGET starts one"});
}

std::vector<apply::LedgerTable> marked_tables(postgres::Connection& target,
                                              const capture::Installed& installed) {
  std::vector<apply::LedgerTable> tables = apply::read_tables(target, installed.migration);
  for (apply::LedgerTable& table : tables)
    for (const TablePlan& plan : installed.tables)
      if (plan.id == table.plan.id) table.plan.personal = plan.personal;
  return tables;
}

std::vector<apply::LedgerTable> comparable_back(std::vector<apply::LedgerTable> tables) {
  for (apply::LedgerTable& table : tables)
    table.plan = verify::comparable_back(std::move(table.plan));
  return tables;
}

ExitCode verify_at_rest(sqlite::Database& source, postgres::Connection& target,
                        const capture::Installed& installed, const VerifyRequest& request,
                        const Compared& compared, Screen& screen) {
  const LedgerRow ledger = wait_for_rest(source, target, installed);
  screen.result(fmt::format("comparing at {}", to_string(*ledger.position)));
  VerifyTotals totals;
  totals.compared = compared;
  {
    const sqlite::Transaction view(source, sqlite::Transaction::Mode::deferred);
    target.exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    const auto tables = marked_tables(target, installed);
    const Rested sides{source, target, ledger, ledger.position};
    // Queries first: what they read is told by the locks that the transaction has.
    totals.verdicts =
        ask_at_rest(source, target, ledger, apply::plans_of(tables), wanted_pairs(request, tables));
    if (!request.counts) compare_tables(sides, tables, installed, request, totals, screen);
    check_schema_too(sides, tables, request, totals);
    target.abort();
  }
  const Position newest = capture::newest_position(source, installed.era);
  if (newest != *ledger.position) throw_not_at_rest(newest, ledger.position);
  return conclude(std::move(totals), request, screen);
}

namespace {

// A statement about a column that is not there would only say that lockstep has a bug.
void require_columns(sqlite::Database& sqlite, const std::vector<TablePlan>& plans) {
  const auto lost = switchover::lost_columns(sqlite, plans);
  if (lost.empty()) return;
  throw Error({.code = "LS-X682",
               .exit = ExitCode::precondition,
               .what = "SQLite has lost what is to be compared",
               .why = fmt::format("{}: a migration ran on SQLite after the cutover",
                                  fmt::join(switchover::sentences(lost), "; ")),
               .data = "nothing was compared; PostgreSQL, which the application writes to, has it",
               .todo = "put the columns back (ALTER TABLE .. ADD COLUMN on SQLite), then lockstep "
                       "verify --repair; there is no way back without them"});
}

}  // namespace

// Between two rounds nobody writes to SQLite. Another lockstep may have made one behind ours before
// the view was open; to make the next it needs longer than that takes. After a rollback the next
// round says so.
ExitCode verify_at_round(sqlite::Database& sqlite, postgres::Connection& postgres,
                         const capture::Installed& installed, const VerifyRequest& request,
                         const Compared& compared, Screen& screen) {
  constexpr int kTriesMax = 200;
  const LedgerRow ledger = ledger_of(postgres, installed.migration);
  const auto tables = marked_tables(postgres, installed);
  const auto comparable = comparable_back(tables);
  const auto plans = apply::plans_of(tables);
  require_columns(sqlite, plans);
  sqlite::Database writing = sqlite::Database::open(sqlite.path(), sqlite::OpenMode::read_write);
  switchover::ReverseFeed feed(postgres, writing, installed.migration, ledger.target_schema, plans);
  for (int tried = 0; tried < kTriesMax; ++tried) {
    const switchover::ReverseRound round = feed.round_and_keep_view();
    {
      const sqlite::Transaction view(sqlite, sqlite::Transaction::Mode::deferred);
      if (switchover::follows_at(sqlite, round.position, plans)) {
        screen.result(fmt::format("comparing at round {} of the way back", round.position.number));
        VerifyTotals totals;
        totals.flow = Flow::reverse;
        totals.compared = compared;
        const Rested sides{sqlite, postgres, ledger, switchover::as_position(round.position)};
        totals.verdicts = ask_at_rest(sqlite, postgres, ledger, apply::plans_of(comparable),
                                      wanted_pairs(request, comparable));
        for (verify::Verdict& verdict : totals.verdicts)
          verdict.position = switchover::as_position(round.position);
        if (!request.counts) compare_tables(sides, comparable, installed, request, totals, screen);
        check_schema_too(sides, tables, request, totals);
        return conclude(std::move(totals), request, screen);
      }
    }
    feed.end_view();
  }
  throw switchover::others_are_quicker(kTriesMax);
}

}  // namespace lockstep::ops
