#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "apply/ledger.hpp"
#include "apply/quarantine.hpp"
#include "capture/install.hpp"
#include "ops/commands.hpp"
#include "ops/live_pass.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/repair.hpp"
#include "ops/schema_checks.hpp"
#include "ops/since.hpp"
#include "ops/verify_queries.hpp"
#include "ops/verify_report.hpp"
#include "switchover/reverse_feed.hpp"
#include "switchover/sqlite_side.hpp"
#include "verify/compare.hpp"

namespace lockstep::ops {

namespace {

using apply::LedgerRow;

// A running lockstep needs a moment for the last changes; an application that goes on writing never
// comes to rest.
constexpr Milliseconds kRestPatience{5'000};

[[noreturn]] void throw_not_at_rest(const Position& source, const std::optional<Position>& target) {
  throw Error({.code = "LS-V502",
               .exit = ExitCode::precondition,
               .what = "the two sides are not at rest",
               .why = fmt::format("the source is at {}, the target at {}", to_string(source),
                                  target ? to_string(*target) : "no position yet"),
               .data = "nothing was compared at one and the same state, so nothing is claimed",
               .todo = "stop the application's writes, lockstep wait SOURCE --for caught-up, then "
                       "verify again"});
}

[[noreturn]] void throw_repair_needs_a_follower() {
  throw Error({.code = "LS-V510",
               .exit = ExitCode::precondition,
               .what = "nobody is there to repair",
               .why = "a repair goes the way of every change: through the lockstep that follows",
               .data = "nothing was compared and nothing changed",
               .todo = "lockstep run SOURCE TARGET, then verify --repair beside it"});
}

[[noreturn]] void throw_needs_a_follower(const char* flag) {
  throw Error({.code = "LS-V511",
               .exit = ExitCode::precondition,
               .what = fmt::format("{} needs a lockstep that follows", flag),
               .why = "at rest both sides are compared as a whole",
               .data = "nothing was compared",
               .todo = fmt::format("lockstep run SOURCE TARGET beside it, or leave {} out", flag)});
}

LedgerRow ledger_of(postgres::Connection& target, const std::string& migration) {
  const auto ledger = apply::read_ledger(target, migration, apply::RowLock::none);
  if (ledger && ledger->phase != apply::Phase::installing) return *ledger;
  throw Error({.code = "LS-R712",
               .exit = ExitCode::precondition,
               .what = fmt::format("the target knows no migration {}", migration),
               .why = "its ledger has no such row",
               .data = "nothing was compared",
               .todo = "lockstep run SOURCE TARGET starts one"});
}

LedgerRow wait_for_rest(sqlite::Database& source, postgres::Connection& target,
                        const capture::Installed& installed) {
  const Deadline deadline(kRestPatience);
  while (true) {
    LedgerRow ledger = ledger_of(target, installed.migration);
    const Position newest = capture::newest_position(source, installed.era);
    if (ledger.consistent && ledger.position == newest) return ledger;
    if (deadline.passed()) throw_not_at_rest(newest, ledger.position);
    std::this_thread::sleep_for(Milliseconds{20});
  }
}

struct PassSummary {
  std::vector<verify::TableRecord> records;
  std::string positions;  ///< at which it was compared; empty: at none
  VerifyTotals totals;
};

PassSummary summary_of(postgres::Connection& target, const verify::Pass& pass) {
  PassSummary summary;
  summary.records = verify::read_records(target, pass.id);
  std::optional<Position> oldest, newest;
  for (const verify::TableRecord& record : summary.records) {
    if (record.oldest && (!oldest || record.oldest->seq < oldest->seq)) oldest = record.oldest;
    if (record.newest && (!newest || record.newest->seq > newest->seq)) newest = record.newest;
    summary.totals.add(line_of(record, {}));
  }
  if (oldest && newest)
    summary.positions = *oldest == *newest
                            ? fmt::format("compared at {}", to_string(*oldest))
                            : fmt::format("compared while it is written, from {} to {}",
                                          to_string(*oldest), to_string(*newest));
  return summary;
}

// The report of a pass; what it found in all.
VerifyTotals print_pass(postgres::Connection& target, const verify::Pass& pass, Screen& screen) {
  const PassSummary summary = summary_of(target, pass);
  if (!summary.positions.empty()) screen.result(summary.positions);
  print_head(screen);
  VerifyTotals totals;
  for (const verify::TableRecord& record : summary.records) {
    const TableLine line = line_of(record, verify::read_differences(target, pass.id, record.id));
    print(line, screen);
    totals.add(line);
  }
  if (pass.request.sample > 0)
    screen.result(
        fmt::format("a sample of about {} rows of each table: of the rest it says nothing",
                    grouped(static_cast<std::int64_t>(pass.request.sample))));
  if (pass.request.since)
    screen.result(fmt::format("only rows that were written since {}: of the others it says nothing",
                              to_string(*pass.request.since)));
  totals.since = pass.request.since;
  return totals;
}

// False: not within a minute.
bool is_applied(postgres::Connection& target, const std::string& migration,
                const Position& position) {
  constexpr Milliseconds kPatience{60'000};
  const Deadline deadline(kPatience);
  while (true) {
    const auto at = ledger_of(target, migration).position;
    if (at && at->seq >= position.seq) return true;
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(Milliseconds{20});
  }
}

bool may_repair(const VerifyRequest& request, std::uint64_t rows) {
  if (request.yes) return true;
  if (::isatty(STDIN_FILENO) != 1) return false;
  std::cerr << fmt::format("write these {} rows of the target anew from the source? [y/N] ", rows)
            << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

// What is asked for beside the rows, of the lockstep that follows.
void add_checks(const std::string& path, const std::string& migration, postgres::Connection& target,
                const VerifyRequest& request, VerifyTotals& totals, Screen& screen) {
  const auto tables = apply::read_tables(target, migration);
  const auto pairs = wanted_pairs(request, tables);
  if (!pairs.empty()) totals.verdicts = ask_running(path, target, migration, pairs, screen);
  screen.end_progress();
  if (!request.checks) return;
  target.exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
  totals.findings = check_schema(target, ledger_of(target, migration), tables, request.tables);
  target.abort();
}

// Pass after pass at lockstep's own pace, one line for each, until one finds a difference.
ExitCode verify_for_ever(const std::string& path, const std::string& migration,
                         postgres::Connection& target, const VerifyRequest& request,
                         Screen& screen) {
  while (true) {
    const verify::Pass pass = run_live_pass(
        path, target, migration,
        {.tables = request.tables, .sample = request.sample, .continuous = true}, screen);
    const PassSummary summary = summary_of(target, pass);
    if (summary.totals.different > 0)
      return conclude(print_pass(target, pass, screen), request, screen);
    screen.result(fmt::format("{}  equal: {} rows of {} tables{}{}", rfc3339(wall_now_us()),
                              grouped(static_cast<std::int64_t>(summary.totals.rows)),
                              summary.records.size(), summary.positions.empty() ? "" : ", ",
                              summary.positions));
    screen.json(nlohmann::json{{"type", "pass"},
                               {"pass", pass.id},
                               {"state", verify::to_string(pass.state)},
                               {"rows", summary.totals.rows},
                               {"tables", summary.records.size()},
                               {"quarantined", summary.totals.quarantined}}
                    .dump());
  }
}

ExitCode verify_running(const std::string& path, const std::string& migration,
                        postgres::Connection& target, const VerifyRequest& request,
                        const std::optional<Position>& since, Screen& screen) {
  static_cast<void>(ledger_of(target, migration));
  VerifyTotals totals;
  if (request.counts) {
    add_checks(path, migration, target, request, totals, screen);
    return conclude(std::move(totals), request, screen);
  }
  const verify::PassRequest wanted{
      .tables = request.tables, .sample = request.sample, .since = since};
  verify::Pass pass = run_live_pass(path, target, migration, wanted, screen);
  totals = print_pass(target, pass, screen);
  std::uint64_t before = 0;
  while (request.repair && totals.different > 0 &&
         (before == 0 ? may_repair(request, totals.different) : totals.different < before)) {
    before = totals.different;
    const Repair repair = log_differences(path, target, migration, pass.id);
    screen.result(fmt::format("repair: {} row(s) are written anew from the source{}", repair.rows,
                              repair.skipped == 0
                                  ? ""
                                  : fmt::format("; {} that only the target has cannot be traced "
                                                "back through a rule and stay",
                                                repair.skipped)));
    screen.json(
        nlohmann::json{{"type", "repair"}, {"rows", repair.rows}, {"skipped", repair.skipped}}
            .dump());
    // The repair goes the way of every change.
    if (!is_applied(target, migration, repair.position))
      throw_not_at_rest(repair.position, ledger_of(target, migration).position);
    pass = run_live_pass(path, target, migration, wanted, screen);
    totals = print_pass(target, pass, screen);
  }
  add_checks(path, migration, target, request, totals, screen);
  return conclude(std::move(totals), request, screen);
}

std::map<std::uint32_t, verify::QuarantinedKeys> quarantined_keys(postgres::Connection& target,
                                                                  const std::string& migration) {
  std::map<std::uint32_t, verify::QuarantinedKeys> keys;
  for (apply::QuarantinedRow& each : apply::read_quarantine(target, migration))
    keys[each.row.table].insert(std::move(each.row.key));
  return keys;
}

// The ledger's plans, with the marks of personal data as the last start made them.
std::vector<apply::LedgerTable> tables_at_rest(postgres::Connection& target,
                                               const capture::Installed& installed) {
  std::vector<apply::LedgerTable> tables = apply::read_tables(target, installed.migration);
  for (apply::LedgerTable& table : tables)
    for (const TablePlan& plan : installed.tables)
      if (plan.id == table.plan.id) table.plan.personal = plan.personal;
  return tables;
}

void compare_tables(sqlite::Database& source, postgres::Connection& target, const LedgerRow& ledger,
                    const std::vector<apply::LedgerTable>& tables, VerifyTotals& totals,
                    Screen& screen) {
  print_head(screen);
  auto waiting = quarantined_keys(target, ledger.migration);
  for (const apply::LedgerTable& table : tables) {
    const verify::Comparison result = verify::compare_table(
        source, target, ledger.target_schema, table.plan,
        [&](std::uint64_t seen) {
          screen.progress(fmt::format("comparing {}: {} rows", table.plan.name(),
                                      grouped(static_cast<std::int64_t>(seen))));
        },
        std::move(waiting[table.plan.id]));
    const TableLine line = line_of(result);
    print(line, screen);
    totals.add(line);
  }
}

ExitCode verify_at_rest(sqlite::Database& source, postgres::Connection& target,
                        const capture::Installed& installed, const VerifyRequest& request,
                        Screen& screen) {
  const LedgerRow ledger = wait_for_rest(source, target, installed);
  screen.result(fmt::format("comparing at {}", to_string(*ledger.position)));
  VerifyTotals totals;
  {
    const sqlite::Transaction view(source, sqlite::Transaction::Mode::deferred);
    target.exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    const auto tables = tables_at_rest(target, installed);
    if (!request.counts) compare_tables(source, target, ledger, tables, totals, screen);
    totals.verdicts =
        ask_at_rest(source, target, ledger, apply::plans_of(tables), wanted_pairs(request, tables));
    if (request.checks) totals.findings = check_schema(target, ledger, tables, request.tables);
    target.abort();
  }
  const Position newest = capture::newest_position(source, installed.era);
  if (newest != *ledger.position) throw_not_at_rest(newest, ledger.position);
  return conclude(std::move(totals), request, screen);
}

// After a cutover: a round of the way back leads to a state that both sides have, and its view of
// PostgreSQL stays open. Whoever else brings changes back meanwhile goes on; then it is tried
// again.
ExitCode verify_reverse(sqlite::Database& source, postgres::Connection& target,
                        const capture::Installed& installed, const VerifyRequest& request,
                        Screen& screen) {
  constexpr int kTriesMax = 200;
  const LedgerRow ledger = ledger_of(target, installed.migration);
  const auto tables = tables_at_rest(target, installed);
  sqlite::Database writing = sqlite::Database::open(source.path(), sqlite::OpenMode::read_write);
  switchover::ReverseFeed feed(target, writing, installed.migration, ledger.target_schema,
                               apply::plans_of(tables));
  for (int tried = 0; tried < kTriesMax; ++tried) {
    const switchover::ReverseRound round = feed.round_and_keep_view();
    std::optional<sqlite::Transaction> view;
    view.emplace(source, sqlite::Transaction::Mode::deferred);
    if (switchover::read_reverse_position(source) != round.position) {
      view.reset();
      feed.end_view();
      continue;
    }
    screen.result(fmt::format("comparing at round {} of the way back", round.position.number));
    VerifyTotals totals;
    if (!request.counts) compare_tables(source, target, ledger, tables, totals, screen);
    totals.verdicts =
        ask_at_rest(source, target, ledger, apply::plans_of(tables), wanted_pairs(request, tables));
    if (request.checks) totals.findings = check_schema(target, ledger, tables, request.tables);
    view.reset();
    feed.end_view();
    return conclude(std::move(totals), request, screen);
  }
  throw Error({.code = "LS-V514",
               .exit = ExitCode::timed_out,
               .what = "no moment was found at which both sides can be read",
               .why = "the application writes to PostgreSQL too fast for another reader of rounds",
               .data = "nothing was compared, so nothing is claimed",
               .todo = "try again at a quieter moment"});
}

}  // namespace

ExitCode command_verify(const VerifyRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  sqlite::Database source = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const capture::Installed installed = capture::require_installed(source);
  postgres::Connection target =
      postgres::Connection::open(postgres::parse_dsn(request.target), "verify");
  if (switchover::read_sqlite_side(source).role == switchover::Role::replica) {
    if (request.repair || request.continuous || request.sample > 0 || !request.since.empty())
      throw Error({.code = "LS-V515",
                   .exit = ExitCode::precondition,
                   .what = "after a cutover both sides are compared as a whole",
                   .why = "--repair, --continuous, --sample and --since are for a SQLite that is "
                          "followed",
                   .data = "nothing was compared",
                   .todo = "leave the flag out"});
    return verify_reverse(source, target, installed, request, screen);
  }
  const auto since = since_position(source, installed.era, request.since);
  if (observe(path).running) {
    if (request.continuous)
      return verify_for_ever(path, installed.migration, target, request, screen);
    // What has been written by now is to be among it.
    if (since &&
        !is_applied(target, installed.migration, capture::newest_position(source, installed.era)))
      throw_nobody_follows();
    return verify_running(path, installed.migration, target, request, since, screen);
  }
  if (request.repair) throw_repair_needs_a_follower();
  if (request.continuous) throw_needs_a_follower("--continuous");
  if (request.sample > 0) throw_needs_a_follower("--sample");
  if (since) throw_needs_a_follower("--since");
  return verify_at_rest(source, target, installed, request, screen);
}

}  // namespace lockstep::ops
