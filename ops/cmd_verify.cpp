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

void print(const verify::Comparison& result, Screen& screen) {
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9}", result.table,
                            grouped(static_cast<std::int64_t>(result.source_rows)),
                            grouped(static_cast<std::int64_t>(result.target_rows)), result.missing,
                            result.extra, result.differ));
  for (const std::string& example : result.examples) screen.result("    " + example);
  if (result.quarantined > 0)
    screen.result(fmt::format("    {} row(s) in quarantine", result.quarantined));
  const nlohmann::json object{{"type", "table"},
                              {"table", result.table},
                              {"source_rows", result.source_rows},
                              {"target_rows", result.target_rows},
                              {"missing", result.missing},
                              {"extra", result.extra},
                              {"differ", result.differ},
                              {"quarantined", result.quarantined},
                              {"examples", result.examples}};
  screen.json(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::map<std::uint32_t, verify::QuarantinedKeys> quarantined_keys(postgres::Connection& target,
                                                                  const std::string& migration) {
  std::map<std::uint32_t, verify::QuarantinedKeys> keys;
  for (apply::QuarantinedRow& each : apply::read_quarantine(target, migration))
    keys[each.row.table].insert(std::move(each.row.key));
  return keys;
}

void conclude(std::uint64_t rows, std::uint64_t different, std::uint64_t quarantined,
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
  const LedgerRow ledger = wait_for_rest(source, target, *installed);
  screen.result(fmt::format("comparing at {}", to_string(*ledger.position)));
  screen.result(fmt::format("  {:<32} {:>14} {:>14} {:>9} {:>9} {:>9}", "table", "source rows",
                            "target rows", "missing", "extra", "differ"));
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
      print(result, screen);
      rows += result.source_rows;
      quarantined += result.quarantined;
      different += result.missing + result.extra + result.differ;
    }
    target.abort();
  }
  const Position newest = capture::newest_position(source, installed->era);
  if (newest != *ledger.position) throw_not_at_rest(newest, ledger.position);
  conclude(rows, different, quarantined, screen);
  if (different > 0) return ExitCode::different;
  return quarantined > 0 ? ExitCode::waived : ExitCode::done;
}

}  // namespace lockstep::ops
