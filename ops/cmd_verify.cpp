#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>
#include <tuple>
#include <utility>

#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "ops/command_line_arguments.hpp"
#include "ops/commands.hpp"
#include "ops/live_pass.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/output_file.hpp"
#include "ops/own_ledger.hpp"
#include "ops/repair.hpp"
#include "ops/reverse_repair.hpp"
#include "ops/schema_checks.hpp"
#include "ops/since.hpp"
#include "ops/verify_at_rest.hpp"
#include "ops/verify_queries.hpp"
#include "ops/verify_report.hpp"
#include "ops/verify_request.hpp"
#include "ops/verify_schema.hpp"
#include "ops/wait_marks.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

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

// What its records come to; lines without examples.
VerifyTotals totals_of(postgres::Connection& target, const verify::Pass& pass) {
  VerifyTotals totals;
  for (const verify::TableRecord& record : verify::read_records(target, pass.id))
    totals.add(line_of(record, {}));
  return totals;
}

// At which positions it was compared; empty: at none.
std::string positions_text(const Compared& compared) {
  const auto& [oldest, newest] = std::tie(compared.oldest, compared.newest);
  if (!oldest || !newest) return {};
  return *oldest == *newest ? fmt::format("compared at {}", to_string(*oldest))
                            : fmt::format("compared while it is written, from {} to {}",
                                          to_string(*oldest), to_string(*newest));
}

// The report of a pass; what it found in all.
VerifyTotals print_pass(postgres::Connection& target, const verify::Pass& pass,
                        const Compared& compared, Screen& screen) {
  VerifyTotals totals;
  totals.flow = pass.flow;
  totals.compared = compared;
  totals.compared.pass = pass.id;
  for (const verify::TableRecord& record : verify::read_records(target, pass.id))
    totals.add(line_of(record, verify::read_differences(target, pass.id, record.id)));
  if (const std::string text = positions_text(totals.compared); !text.empty()) screen.result(text);
  print_head(pass.flow, screen);
  for (const TableLine& line : totals.tables) print(line, screen);
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

constexpr Milliseconds kComesWithin{60'000};

enum class Comes { applied, too_late, nobody_follows };

/// Waits until the target has what was logged up to `position`, as long as somebody follows.
Comes comes_within(Milliseconds patience, const std::string& path, const std::string& migration,
                   postgres::Connection& target, const Position& position) {
  const Deadline deadline(patience);
  while (true) {
    const bool followed = observe(path).running;  // before the look: its last batch counts
    const auto at = ledger_of(target, migration).position;
    if (at && at->seq >= position.seq) return Comes::applied;
    if (!followed) return Comes::nobody_follows;
    if (deadline.passed()) return Comes::too_late;
    std::this_thread::sleep_for(Milliseconds{20});
  }
}

bool may_repair(const VerifyRequest& request, std::uint64_t rows, Flow flow) {
  if (request.yes) return true;
  std::cerr << fmt::format("write these {} rows of {} anew from {}? [y/N] ", rows,
                           flow == Flow::forward ? "the target" : "SQLite",
                           flow == Flow::forward ? "the source" : "PostgreSQL")
            << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

void print_repair(std::uint64_t rows, std::uint64_t skipped, const std::vector<std::string>& anew,
                  Flow flow, Screen& screen) {
  std::string text = fmt::format("repair: {} row(s) are written anew from {}", rows,
                                 flow == Flow::forward ? "the source" : "PostgreSQL");
  if (skipped > 0 && flow == Flow::forward)
    text += fmt::format(
        "; {} that only the target has stay: the table is dual-written, and SQLite cannot have "
        "their keys",
        skipped);
  if (!anew.empty()) text += fmt::format("; every row of {}", fmt::join(anew, ", "));
  if (skipped > 0 && flow == Flow::reverse)
    text += fmt::format(
        "; {} that only SQLite has stay: PostgreSQL has no spelling for their keys, "
        "and the table has rows in quarantine, which are in SQLite alone",
        skipped);
  screen.result(text);
  screen.json(
      nlohmann::json{{"type", "repair"}, {"rows", rows}, {"skipped", skipped}, {"anew", anew}}.dump(
          -1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// The repair goes the way of every change.
void repair_forward(const std::string& path, const std::string& migration,
                    postgres::Connection& target, std::int64_t pass, Screen& screen) {
  constexpr Milliseconds kTablesComeWithin{3'600'000};
  const Repair repair = log_differences(path, target, migration, pass);
  print_repair(repair.rows, repair.skipped, repair.anew, Flow::forward, screen);
  const Comes comes = comes_within(repair.anew.empty() ? kComesWithin : kTablesComeWithin, path,
                                   migration, target, repair.position);
  if (comes == Comes::applied) return;
  throw Error({.code = "LS-V535",
               .exit = ExitCode::timed_out,
               .what = "the repair has not come to PostgreSQL",
               .why = comes == Comes::too_late ? "the lockstep that follows has not applied it yet"
                                               : "the lockstep that follows has ended meanwhile",
               .data = "the rows are logged in the source: they come with the next batch",
               .todo = "lockstep status; then verify again"});
}

void repair_back(const std::string& migration, postgres::Connection& target, std::int64_t pass,
                 bool again, Screen& screen) {
  const BackRepair repair = log_differences_back(
      target, migration, ledger_of(target, migration).target_schema, pass, again);
  print_repair(repair.rows, repair.skipped, repair.anew, Flow::reverse, screen);
  for (const Deadline deadline(kComesWithin); !has_come_back(target, migration, repair.snapshot);) {
    if (deadline.passed())
      throw Error({.code = "LS-V550",
                   .exit = ExitCode::timed_out,
                   .what = "the repair has not come back into SQLite within a minute",
                   .why = "the lockstep that follows has not made that round yet, or was stopped",
                   .data = "the rows are logged on PostgreSQL: they come with the next round",
                   .todo = "lockstep status; then verify again"});
    std::this_thread::sleep_for(Milliseconds{20});
  }
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
                         const Compared& compared, Screen& screen) {
  while (true) {
    const verify::Pass pass = run_live_pass(
        path, target, migration,
        {.tables = request.tables, .sample = request.sample, .continuous = true}, screen);
    const VerifyTotals totals = totals_of(target, pass);
    if (pass.state != verify::PassState::equal)
      return conclude(print_pass(target, pass, compared, screen), request, screen);
    const std::string positions = positions_text(totals.compared);
    screen.result(fmt::format("{}  equal: {} rows of {} tables{}{}", rfc3339(wall_now_us()),
                              grouped(static_cast<std::int64_t>(totals.rows)), totals.tables.size(),
                              positions.empty() ? "" : ", ", positions));
    screen.json(nlohmann::json{{"type", "pass"},
                               {"pass", pass.id},
                               {"state", verify::to_string(pass.state)},
                               {"rows", totals.rows},
                               {"tables", totals.tables.size()},
                               {"quarantined", totals.quarantined}}
                    .dump());
  }
}

ExitCode verify_running(const std::string& path, const std::string& migration,
                        postgres::Connection& target, const VerifyRequest& request,
                        const std::optional<Position>& since, Flow flow, const Compared& compared,
                        Screen& screen) {
  VerifyTotals totals;
  totals.flow = flow;
  totals.compared = compared;
  if (request.counts) {
    add_checks(path, migration, target, request, totals, screen);
    return conclude(std::move(totals), request, screen);
  }
  const verify::PassRequest wanted{
      .tables = request.tables, .sample = request.sample, .since = since};
  verify::Pass pass = run_live_pass(path, target, migration, wanted, screen);
  totals = print_pass(target, pass, compared, screen);
  std::uint64_t before = 0;
  for (int repairs = 0; request.repair && totals.different > 0; ++repairs) {
    const bool more =
        repairs == 0 ? may_repair(request, totals.different, pass.flow)
                     : totals.different < before || (repairs == 1 && pass.flow == Flow::reverse);
    if (!more) break;
    before = totals.different;
    if (pass.flow == Flow::forward)
      repair_forward(path, migration, target, pass.id, screen);
    else
      repair_back(migration, target, pass.id, repairs > 0, screen);
    pass = run_live_pass(path, target, migration, wanted, screen);
    totals = print_pass(target, pass, compared, screen);
  }
  add_checks(path, migration, target, request, totals, screen);
  return conclude(std::move(totals), request, screen);
}

}  // namespace

ExitCode command_verify(const VerifyRequest& request, Screen& screen) {
  require_answerable(request, ::isatty(STDIN_FILENO) == 1);
  const std::string path = source_path(request.source);
  check_output(request.html, "--html", path);
  check_output(request.junit, "--junit", path);
  sqlite::Database source = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const capture::Installed installed = capture::require_installed(source);
  postgres::Connection target = postgres::Connection::open(
      postgres::parse_dsn(given_or_recorded(request.target, installed)), "verify");
  static_cast<void>(own_ledger(source, target, installed));
  require_tables(request.tables, apply::plans_of(apply::read_tables(target, installed.migration)));
  const bool back = switchover::read_sqlite_side(source).role == switchover::Role::replica;
  if (back && !request.since.empty()) throw_since_is_forward();
  const Compared compared{
      .source = path, .target = target.dsn().shown(), .left_out = left_out(source, installed)};
  const auto since = since_position(source, installed.era, request.since);
  if (observe(path).running) {
    if (request.continuous)
      return verify_for_ever(path, installed.migration, target, request, compared, screen);
    // What has been written by now is to be among it.
    if (since && comes_within(kComesWithin, path, installed.migration, target,
                              capture::newest_position(source, installed.era)) != Comes::applied)
      throw_nobody_follows(path);
    return verify_running(path, installed.migration, target, request, since,
                          back ? Flow::reverse : Flow::forward, compared, screen);
  }
  if (request.repair) throw_repair_needs_a_follower();
  if (request.continuous) throw_needs_a_follower("--continuous");
  if (request.sample > 0) throw_needs_a_follower("--sample");
  if (since) throw_needs_a_follower("--since");
  return back ? verify_at_round(source, target, installed, request, compared, screen)
              : verify_at_rest(source, target, installed, request, compared, screen);
}

}  // namespace lockstep::ops
