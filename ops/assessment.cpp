#include "ops/assessment.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apply/target_schema.hpp"
#include "capture/lookups.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/scan.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"
#include "ops/names.hpp"
#include "snapshot/census.hpp"
#include "snapshot/plan.hpp"
#include "snapshot/undecided.hpp"

namespace lockstep::ops {

namespace {

[[noreturn]] void throw_no_table(const std::string& what, const std::string& why) {
  throw Error(
      {.code = "LS-S330",
       .exit = ExitCode::usage,
       .what = what,
       .why = why,
       .data = "nothing was touched",
       .todo = "names are matched as SQLite stored them, with * and ?; quote them in the shell"});
}

void check_globs(const std::vector<sqlite::TableName>& all, const std::vector<std::string>& globs) {
  for (const std::string& glob : globs) {
    const bool names_something = std::any_of(
        all.begin(), all.end(),
        [&](const sqlite::TableName& table) { return matches_any(table.name, {glob}); });
    if (!names_something)
      throw_no_table(fmt::format("no table is called {}", glob), "a typing error?");
  }
}

// SQLite would turn a lone surrogate into U+FFFD on the way to UTF-8, without a word.
void refuse_utf16(sqlite::Database& database) {
  const std::string encoding = database.pragma_text("encoding");
  if (encoding == "UTF-8") return;
  throw Error({.code = "LS-S332",
               .exit = ExitCode::precondition,
               .what = fmt::format("the source is a {} database", encoding),
               .why = "its texts cannot be read as UTF-8 with a proof that nothing changes",
               .data = "nothing was touched",
               .todo = "make a UTF-8 copy: sqlite3 old.db .dump, then PRAGMA encoding='UTF-8' and "
                       "the dump into a new file"});
}

// Litestream's own bookkeeping: it belongs to the file, not to the application.
bool belongs_to_the_file(const std::string& table) {
  return matches_any(table, {"_litestream_*"});
}

// SQLite tells shadow tables by their names: the virtual table's, an underscore, and a word.
std::string skipped_virtual(const std::string& name, const std::vector<sqlite::TableName>& all) {
  const auto shadows = std::count_if(all.begin(), all.end(), [&](const sqlite::TableName& other) {
    return other.kind == sqlite::TableKind::shadow && other.name.size() > name.size() &&
           sqlite::same_name(other.name.substr(0, name.size() + 1), name + "_");
  });
  return fmt::format(
      "{}: a virtual table{}; PostgreSQL needs an index of its own for that", name,
      shadows > 0 ? fmt::format(", with the {} tables it keeps its data in", shadows) : "");
}

// A generated column by a function of the application's, for instance.
std::string reading_problem(sqlite::Database& database, const TableShape& shape) {
  try {
    const sqlite::Statement rows(database, sqlite::scan_query(shape).first);
    return {};
  } catch (const Error& error) {
    if (error.facts().code != "LS-S329") throw;
    return "it cannot be read: " + error.facts().why;
  }
}

snapshot::Planned plan_one(sqlite::Database& database, const std::string& table, std::uint32_t id,
                           Screen& screen, std::int64_t& rows) {
  const TableShape shape = sqlite::read_shape(database, table);
  snapshot::Planned planned;
  planned.problems = snapshot::shape_problems(shape);
  std::vector<std::string> capture = capture::capture_problems(shape);
  const std::string unreadable = reading_problem(database, shape);
  if (!unreadable.empty())
    capture.push_back(unreadable);
  else if (capture.empty())
    capture = capture::lookup_problems(database, shape);
  planned.problems.insert(planned.problems.end(), capture.begin(), capture.end());
  if (!unreadable.empty()) return planned;
  const TableCensus census = snapshot::take_census(database, shape, {}, [&](std::uint64_t seen) {
    screen.progress(fmt::format("reading every value of {}: {} rows", table,
                                grouped(static_cast<std::int64_t>(seen))));
  });
  rows = static_cast<std::int64_t>(census.rows);
  snapshot::Planned decided =
      snapshot::plan_table(id, shape, census, sqlite::read_sequence(database, table));
  decided.problems.insert(decided.problems.begin(), planned.problems.begin(),
                          planned.problems.end());
  for (const std::string& trigger : capture::hiding_triggers(database, table))
    decided.warnings.push_back(
        {"LS-S304", fmt::format("trigger {} says RAISE(IGNORE) after a change; made anew while "
                                "lockstep follows, it would hide the change",
                                trigger)});
  return decided;
}

}  // namespace

Assessment assess(sqlite::Database& database, const std::vector<std::string>& tables,
                  const std::vector<std::string>& exclude, Screen& screen) {
  refuse_utf16(database);
  Assessment assessment;
  std::vector<std::vector<std::size_t>> undecided;
  const std::vector<sqlite::TableName> all = sqlite::list_tables(database);
  check_globs(all, tables);
  check_globs(all, exclude);
  for (const sqlite::TableName& table : all) {
    if (matches_any(table.name, exclude)) continue;
    if (!tables.empty() && !matches_any(table.name, tables)) continue;
    if (belongs_to_the_file(table.name)) {
      assessment.skipped.push_back(fmt::format("{}: Litestream's own table", table.name));
      continue;
    }
    if (table.kind == sqlite::TableKind::shadow) continue;  // counted with its virtual table
    if (table.kind == sqlite::TableKind::virtual_table) {
      assessment.skipped.push_back(skipped_virtual(table.name, all));
      continue;
    }
    const auto id = static_cast<std::uint32_t>(assessment.plans.size() + 1);
    std::int64_t rows = 0;
    snapshot::Planned planned = plan_one(database, table.name, id, screen, rows);
    if (!planned.problems.empty()) {
      assessment.refusals.push_back({table.name, std::move(planned.problems)});
      continue;
    }
    for (snapshot::Warning& warning : planned.warnings)
      assessment.warnings.push_back({table.name, std::move(warning.code), std::move(warning.what)});
    for (std::string& sentence : apply::left_out(planned.plan))
      planned.plan.left_out.push_back(std::move(sentence));
    assessment.plans.push_back(std::move(planned.plan));
    undecided.push_back(std::move(planned.undecided));
    assessment.rows.push_back(rows);
  }
  screen.end_progress();
  snapshot::settle_undecided(assessment.plans, undecided);
  if (assessment.plans.empty() && assessment.refusals.empty())
    throw_no_table("there is no table to follow", "the source has none, or all are left out");
  return assessment;
}

void print_assessment(const Assessment& assessment, Screen& screen) {
  using nlohmann::json;
  const auto dump = [](const json& object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  for (const std::string& skipped : assessment.skipped) {
    screen.result("skipped   " + skipped);
    screen.json(dump({{"type", "skipped"}, {"what", skipped}}));
  }
  for (const TableWarning& warning : assessment.warnings) {
    screen.result(fmt::format("warn      {} {}: {}", warning.code, warning.table, warning.what));
    screen.json(dump({{"type", "warning"},
                      {"code", warning.code},
                      {"table", warning.table},
                      {"what", warning.what}}));
  }
  for (const TablePlan& plan : assessment.plans) {
    if (plan.left_out.empty()) continue;
    screen.result(fmt::format("note      {}: data exact; PostgreSQL does not get: {}", plan.name(),
                              fmt::join(plan.left_out, "; ")));
    screen.json(dump({{"type", "left_out"}, {"table", plan.name()}, {"what", plan.left_out}}));
  }
  for (const Refusal& refusal : assessment.refusals) {
    screen.result(
        fmt::format("refused   {}: {}", refusal.table, fmt::join(refusal.problems, "; ")));
    screen.json(
        dump({{"type", "refusal"}, {"table", refusal.table}, {"problems", refusal.problems}}));
  }
}

}  // namespace lockstep::ops
