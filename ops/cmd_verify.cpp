#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "apply/ledger.hpp"
#include "apply/quarantine.hpp"
#include "capture/install.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "verify/compare.hpp"
#include "verify/record.hpp"

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

struct TableLine {
  std::string table;
  std::uint64_t source_rows = 0, target_rows = 0, missing = 0, extra = 0, differ = 0;
  std::uint64_t quarantined = 0;
  std::string digests;  // "9c1e..70 = 9c1e..70", or nothing where rows were compared one by one
  std::vector<std::string> examples;
};

void print_head(Screen& screen) {
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9}", "table", "source rows",
                            "target rows", "missing", "extra", "differ"));
}

void print(const TableLine& line, Screen& screen) {
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9}  {}", line.table,
                            grouped(static_cast<std::int64_t>(line.source_rows)),
                            grouped(static_cast<std::int64_t>(line.target_rows)), line.missing,
                            line.extra, line.differ, line.digests));
  for (const std::string& example : line.examples) screen.result("    " + example);
  if (line.quarantined > 0)
    screen.result(fmt::format("    {} row(s) in quarantine", line.quarantined));
  const nlohmann::json object{{"type", "table"},
                              {"table", line.table},
                              {"source_rows", line.source_rows},
                              {"target_rows", line.target_rows},
                              {"missing", line.missing},
                              {"extra", line.extra},
                              {"differ", line.differ},
                              {"quarantined", line.quarantined},
                              {"examples", line.examples}};
  screen.json(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

ExitCode conclude(std::uint64_t rows, std::uint64_t different, std::uint64_t quarantined,
                  Screen& screen) {
  const auto count = [](std::uint64_t number) {
    return grouped(static_cast<std::int64_t>(number));
  };
  if (different > 0)
    screen.result(fmt::format("DIFFERENT: {} rows", different));
  else if (quarantined > 0)
    screen.result(fmt::format("equal but for {} row(s) in quarantine: {} rows, every column",
                              count(quarantined), count(rows - quarantined)));
  else
    screen.result(fmt::format("equal: {} rows, every column", count(rows)));
  const int code = different > 0 ? 4 : quarantined > 0 ? 9 : 0;
  screen.json(nlohmann::json{
      {"type", "summary"},
      {"equal", different + quarantined == 0},
      {"rows", rows},
      {"different", different},
      {"quarantined", quarantined},
      {"exit_code",
       code}}.dump());
  return static_cast<ExitCode>(code);
}

TableLine line_of(const verify::Comparison& result) {
  return {result.table,   result.source_rows, result.target_rows, result.missing,
          result.extra,   result.differ,      result.quarantined, "",
          result.examples};
}

TableLine line_of(const verify::TableRecord& record,
                  const std::vector<verify::DifferenceRecord>& found) {
  TableLine line{
      record.name,
      record.source_rows,
      record.target_rows,
      record.missing,
      record.extra,
      record.differ,
      record.quarantined,
      fmt::format("{:016x} {} {:016x}", record.source_digest,
                  record.source_digest == record.target_digest ? "=" : "≠", record.target_digest),
      {}};
  for (const verify::DifferenceRecord& one : found)
    if (!one.shown.empty()) line.examples.push_back(one.shown);
  return line;
}

[[noreturn]] void throw_nobody_follows() {
  throw Error(
      {.code = "LS-V503",
       .exit = ExitCode::timed_out,
       .what = "the running lockstep does not take up the verification",
       .why = "it is not at the point of following (still copying, stopped, or apply is not there)",
       .data = "nothing was compared",
       .todo = "lockstep status; the request is taken up as soon as it follows"});
}

[[noreturn]] void throw_pass_failed(const verify::Pass& pass) {
  throw Error({.code = "LS-V507",
               .exit = ExitCode::stopped,
               .what = "the verification ended before its end",
               .why = pass.problem,
               .data = "nothing is claimed; replication goes on",
               .todo = "verify again once that is mended"});
}

// The pass of a running lockstep, from its request to its end.
verify::Pass wait_for_pass(const std::string& path, postgres::Connection& target, std::int64_t id,
                           Screen& screen) {
  constexpr Milliseconds kTakenUpWithin{15'000};
  const Deadline deadline(kTakenUpWithin);
  for (int look = 1;; ++look) {
    const auto pass = verify::read_pass(target, id);
    check(pass.has_value(), "a pass that was asked for is on record");
    if (verify::is_over(pass->state)) return *pass;
    const bool waits = pass->state == verify::PassState::requested && deadline.passed();
    if (waits || (look % 20 == 0 && !observe(path).running)) throw_nobody_follows();
    std::uint64_t rows = 0;
    std::string table;
    for (const verify::TableRecord& record : verify::read_records(target, id)) {
      rows += record.source_rows;
      if (!record.done) table = record.name;
    }
    screen.progress(fmt::format("comparing {}: {} rows so far", table,
                                grouped(static_cast<std::int64_t>(rows))));
    std::this_thread::sleep_for(Milliseconds{50});
  }
}

ExitCode verify_running(const std::string& path, const capture::Installed& installed,
                        postgres::Connection& target, const std::vector<std::string>& tables,
                        Screen& screen) {
  static_cast<void>(ledger_of(target, installed.migration));
  const std::int64_t id = verify::request_pass(target, installed.migration, tables);
  const verify::Pass pass = wait_for_pass(path, target, id, screen);
  screen.end_progress();
  if (pass.state == verify::PassState::failed) throw_pass_failed(pass);
  const std::vector<verify::TableRecord> records = verify::read_records(target, id);
  std::optional<Position> oldest, newest;
  for (const verify::TableRecord& record : records) {
    if (record.oldest && (!oldest || record.oldest->seq < oldest->seq)) oldest = record.oldest;
    if (record.newest && (!newest || record.newest->seq > newest->seq)) newest = record.newest;
  }
  if (oldest && newest)
    screen.result(*oldest == *newest ? fmt::format("compared at {}", to_string(*oldest))
                                     : fmt::format("compared while it is written, from {} to {}",
                                                   to_string(*oldest), to_string(*newest)));
  print_head(screen);
  std::uint64_t rows = 0, different = 0, quarantined = 0;
  for (const verify::TableRecord& record : records) {
    print(line_of(record, verify::read_differences(target, id, record.id)), screen);
    rows += record.source_rows;
    different += record.different();
    quarantined += record.quarantined;
  }
  return conclude(rows, different, quarantined, screen);
}

std::map<std::uint32_t, verify::QuarantinedKeys> quarantined_keys(postgres::Connection& target,
                                                                  const std::string& migration) {
  std::map<std::uint32_t, verify::QuarantinedKeys> keys;
  for (apply::QuarantinedRow& each : apply::read_quarantine(target, migration))
    keys[each.row.table].insert(std::move(each.row.key));
  return keys;
}

}  // namespace

ExitCode command_verify(const VerifyRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  sqlite::Database source = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const auto installed = capture::read_installed(source);
  if (!installed)
    throw Error({.code = "LS-R712",
                 .exit = ExitCode::precondition,
                 .what = fmt::format("there is no migration of {}", path),
                 .why = "it has no lockstep tables",
                 .data = "nothing was compared",
                 .todo = "lockstep run SOURCE TARGET starts one"});
  postgres::Connection target =
      postgres::Connection::open(postgres::parse_dsn(request.target), "verify");
  if (observe(path).running)
    return verify_running(path, *installed, target, request.tables, screen);
  const LedgerRow ledger = wait_for_rest(source, target, *installed);
  screen.result(fmt::format("comparing at {}", to_string(*ledger.position)));
  print_head(screen);
  std::uint64_t rows = 0, different = 0, quarantined = 0;
  {
    const sqlite::Transaction view(source, sqlite::Transaction::Mode::deferred);
    target.exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    auto waiting = quarantined_keys(target, installed->migration);
    for (const apply::LedgerTable& table : apply::read_tables(target, installed->migration)) {
      const verify::Comparison result = verify::compare_table(
          source, target, ledger.target_schema, table.plan,
          [&](std::uint64_t seen) {
            screen.progress(fmt::format("comparing {}: {} rows", table.plan.name(),
                                        grouped(static_cast<std::int64_t>(seen))));
          },
          std::move(waiting[table.plan.id]));
      print(line_of(result), screen);
      rows += result.source_rows;
      quarantined += result.quarantined;
      different += result.missing + result.extra + result.differ;
    }
    target.abort();
  }
  const Position newest = capture::newest_position(source, installed->era);
  if (newest != *ledger.position) throw_not_at_rest(newest, ledger.position);
  return conclude(rows, different, quarantined, screen);
}

}  // namespace lockstep::ops
