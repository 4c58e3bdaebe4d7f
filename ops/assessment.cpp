#include "ops/assessment.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apply/computed.hpp"
#include "apply/foreign_keys.hpp"
#include "apply/target_schema.hpp"
#include "capture/lookups.hpp"
#include "capture/triggers.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/scan.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "link/sqlite/statement.hpp"
#include "model/clock.hpp"
#include "ops/census_store.hpp"
#include "ops/findings.hpp"
#include "ops/frameworks.hpp"
#include "ops/names.hpp"
#include "ops/rule_checks.hpp"
#include "ops/settled_types.hpp"
#include "ops/there_only.hpp"
#include "ops/virtual_tables.hpp"
#include "snapshot/census.hpp"
#include "snapshot/existing.hpp"
#include "snapshot/plan.hpp"

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

std::vector<std::string> names_of(sqlite::Database& database, std::string_view type) {
  sqlite::Statement rows(database,
                         "SELECT name FROM sqlite_master WHERE type = ?1 AND name NOT LIKE "
                         "'\\_lockstep\\_%' ESCAPE '\\' ORDER BY name");
  rows.bind(1, type);
  std::vector<std::string> names;
  while (rows.step()) names.push_back(rows.text(0));
  return names;
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

TableCensus census_of(sqlite::Database& database, const TableFacts& facts, std::uint64_t sample,
                      Screen& screen, const snapshot::TargetTypes& targets, CensusStore& store) {
  const TableShape& shape = facts.shape;
  const Integers integers = facts.integers;
  if (sample > 0)
    return snapshot::sample_census(database, shape, sample, facts.rules, targets, integers);
  const std::string asked = snapshot::asked_for(shape, facts.rules, targets, integers);
  if (const TableCensus* known = store.find(shape.name, asked)) return *known;
  const auto progress = [&](std::uint64_t seen) {
    screen.progress(fmt::format("reading every value of {}: {} rows", shape.name,
                                grouped(static_cast<std::int64_t>(seen))));
  };
  const SteadyTime begun = steady_now();
  TableCensus census =
      snapshot::take_census(database, shape, {}, progress, facts.rules, targets, integers);
  store.took(shape.name, asked, std::chrono::duration<double>(steady_now() - begun).count(),
             census);
  return census;
}

const CatalogTable* table_there(const TableChoice& choice, const std::string& name) {
  if (choice.there == nullptr) return nullptr;
  const auto found = choice.there->find(name);
  return found == choice.there->end() ? nullptr : &found->second;
}

// `facts` gets everything but the plan.
snapshot::Planned plan_one(sqlite::Database& database, std::uint32_t id, const TableChoice& choice,
                           Screen& screen, CensusStore& store, TableFacts& facts) {
  const TableShape& shape = facts.shape;
  facts.shape_problems = snapshot::shape_problems(shape, facts.rules);
  facts.rule_problems = snapshot::rule_problems(shape, facts.rules);
  facts.capture_problems = capture::capture_problems(shape);
  // Without a key only if its columns take all names of the rowid, and that is a capture problem.
  const bool has_order = !shape.key.empty();
  const std::string unreadable = has_order ? reading_problem(database, shape) : std::string();
  if (!unreadable.empty())
    facts.capture_problems.push_back(unreadable);
  else if (facts.capture_problems.empty())
    facts.capture_problems = capture::lookup_problems(database, shape);
  snapshot::Planned planned;
  if (has_order && unreadable.empty()) {
    facts.on_bad_value = choices_for(choice.on_bad_value, shape, nullptr, OnBadValue::stop);
    const CatalogTable* there =
        table_there(choice, facts.rules.rename.empty() ? shape.name : facts.rules.rename);
    facts.census = census_of(database, facts, choice.sample, screen,
                             there != nullptr ? snapshot::target_types(shape, *there, facts.rules)
                                              : snapshot::TargetTypes(),
                             store);
    const std::int64_t sequence = sqlite::read_sequence(database, shape.name);
    planned = there != nullptr ? snapshot::plan_existing(id, shape, facts.census, sequence, *there,
                                                         choice.silent, facts.rules)
                               : snapshot::plan_table(id, shape, facts.census, sequence,
                                                      facts.rules, facts.on_bad_value);
    planned.plan.on_bad_value = facts.on_bad_value;
    planned.plan.personal = personal_for(choice.on_bad_value, shape, nullptr);
    if (there != nullptr && planned.problems.empty() && choice.sample == 0)
      hold_rows_against(database, planned, *there, facts.census.rows);
    for (const ExistingColumn& column :
         there != nullptr ? planned.plan.existing->columns : std::vector<ExistingColumn>())
      facts.types_there.push_back(column.type);
    facts.data_problems = planned.problems;
    facts.left_out = planned.plan.left_out;
  } else {
    facts.census.columns.resize(shape.columns.size());
  }
  std::vector<std::string> problems = facts.shape_problems;
  for (const auto* more : {&facts.rule_problems, &facts.capture_problems, &facts.data_problems})
    problems.insert(problems.end(), more->begin(), more->end());
  planned.problems = std::move(problems);
  facts.carried = planned.problems.empty();
  for (const std::string& trigger : capture::hiding_triggers(database, shape.name))
    planned.warnings.push_back(
        {"LS-S304", fmt::format("trigger {} says RAISE(IGNORE) after a change; made anew while "
                                "lockstep follows, it would hide the change",
                                trigger)});
  return planned;
}

// By its rowid, if its rows cannot be told apart on PostgreSQL by the index that would be its key.
snapshot::Planned plan_either_way(sqlite::Database& database, std::uint32_t id,
                                  const TableChoice& choice, Screen& screen, CensusStore& store,
                                  TableFacts& facts) {
  snapshot::Planned planned = plan_one(database, id, choice, screen, store, facts);
  const auto other = sqlite::by_rowid(facts.shape);
  if (facts.carried || !other) return planned;
  TableFacts again;
  again.shape = *other;
  again.rules = rules_of(choice.rules, again.shape);
  snapshot::Planned by_rowid = plan_one(database, id, choice, screen, store, again);
  if (!again.carried) return planned;
  facts = std::move(again);
  return by_rowid;
}

void end_census(sqlite::Database& database, const CensusStore& store, Screen& screen,
                Assessment& assessment) {
  store.keep(database);
  if (store.known_rows() == 0) return;
  assessment.known_rows = store.known_rows();
  assessment.known_since = rfc3339(store.known_since_us());
  screen.note(fmt::format(
      "census    {} rows are known since {}, and nothing was written since: {:.1f} s saved",
      grouped(static_cast<std::int64_t>(store.known_rows())), assessment.known_since,
      store.saved_seconds()));
}

std::string unmet(const config::ExpectedTable& expected, const Assessment& assessment) {
  const auto found =
      std::find_if(assessment.tables.begin(), assessment.tables.end(),
                   [&](const TableFacts& table) { return table.shape.name == expected.table; });
  if (found == assessment.tables.end())
    return fmt::format("{} is not there, or left out", expected.table);
  const auto rows = static_cast<std::int64_t>(found->census.rows);
  if (expected.rows_min && rows < *expected.rows_min && found->census.whole)
    return fmt::format("{} has {} rows, not at least {}", expected.table, rows, *expected.rows_min);
  if (expected.rows_max && rows > *expected.rows_max)
    return fmt::format("{} has {} rows, not at most {}", expected.table, rows, *expected.rows_max);
  return {};
}

void check_expectations(const std::vector<config::ExpectedTable>& expect,
                        const Assessment& assessment) {
  std::vector<std::string> unmet_ones;
  for (const config::ExpectedTable& expected : expect)
    if (std::string what = unmet(expected, assessment); !what.empty())
      unmet_ones.push_back(std::move(what));
  if (unmet_ones.empty()) return;
  throw Error({.code = "LS-A113",
               .exit = ExitCode::precondition,
               .what = "the source is not as \"tables\": { \"expect\" } says",
               .why = fmt::format("{}", fmt::join(unmet_ones, "; ")),
               .data = "nothing was touched",
               .todo = "is it the right file? Else correct the expectation"});
}

// What becomes of them hangs on the other tables, and on whether the target's role is known.
// Generated columns wait for their final types.
void tell_of_the_whole(const TableChoice& choice, Assessment& assessment) {
  for (TablePlan& plan : assessment.plans) {
    if (!plan.existing)
      for (std::string& sentence : apply::left_out(plan))
        plan.left_out.push_back(std::move(sentence));
    for (std::string& sentence : apply::decide_computed(plan))
      plan.left_out.push_back(std::move(sentence));
    for (std::string& sentence : apply::foreign_keys_left_out(plan, assessment.plans))
      plan.left_out.push_back(std::move(sentence));
    if (const std::size_t keys = apply::foreign_keys_carried(plan, assessment.plans);
        keys > 0 && (choice.there == nullptr || !choice.silent))
      assessment.waiting_keys.emplace_back(plan.name(), keys);
    for (TableFacts& facts : assessment.tables)
      if (facts.shape.name == plan.name()) facts.left_out = plan.left_out;
  }
}

}  // namespace

void refuse_unknown_columns(const BadValuePolicy& policy,
                            const std::vector<const TableShape*>& shapes) {
  for (const std::string& name : unknown_columns(policy, shapes))
    throw_no_table(fmt::format("no column is called {}", name),
                   "\"columns\" names TABLE.COLUMN of tables that are followed");
}

Assessment assess(sqlite::Database& database, const TableChoice& choice, Screen& screen) {
  refuse_utf16(database);
  sqlite::refuse_names_like_ours(database);
  Assessment assessment;
  std::vector<std::vector<std::size_t>> undecided;
  CensusStore store(database);
  const std::vector<sqlite::TableName> all = sqlite::list_tables(database);
  check_globs(all, choice.tables);
  check_globs(all, choice.exclude);
  const Frameworks frameworks = frameworks_of(all);
  assessment.frameworks = sentences_of(frameworks);
  assessment.views = names_of(database, "view");
  assessment.triggers = names_of(database, "trigger");
  const std::map<std::string, std::string> shadows = maybe_shadows(database, all);
  for (const sqlite::TableName& table : all) {
    if (matches_any(table.name, choice.exclude)) continue;
    if (!choice.tables.empty() && !matches_any(table.name, choice.tables)) continue;
    if (const std::string_view why = left_alone(table.name, choice.tables); !why.empty()) {
      assessment.skipped.push_back(fmt::format("{}: {}", table.name, why));
      continue;
    }
    if (table.kind == sqlite::TableKind::shadow) continue;  // counted with its virtual table
    if (table.kind == sqlite::TableKind::virtual_table) {
      assessment.skipped.push_back(skipped_virtual(table.name, all));
      continue;
    }
    const auto id = static_cast<std::uint32_t>(assessment.plans.size() + 1);
    TableFacts& facts = assessment.tables.emplace_back();
    facts.shape = sqlite::read_shape(database, table.name);
    facts.rules = rules_of(choice.rules, facts.shape);
    facts.integers = integers_of(frameworks);
    snapshot::Planned planned = plan_either_way(database, id, choice, screen, store, facts);
    for (snapshot::Warning& warning : planned.warnings)
      if (facts.carried)
        assessment.warnings.push_back(
            {table.name, std::move(warning.code), std::move(warning.what)});
    if (const auto shadow = shadows.find(table.name); facts.carried && shadow != shadows.end())
      assessment.warnings.push_back(
          {table.name, "LS-A115",
           fmt::format("virtual table {}, of a module that only the application has, may keep its "
                       "data here; it is followed like any other table, unless --exclude names it",
                       shadow->second)});
    if (!facts.carried) {
      assessment.refusals.push_back({table.name, std::move(planned.problems)});
      continue;
    }
    assessment.plans.push_back(std::move(planned.plan));
    undecided.push_back(std::move(planned.undecided));
    assessment.rows.push_back(static_cast<std::int64_t>(facts.census.rows));
  }
  screen.end_progress();
  end_census(database, store, screen, assessment);
  settle_types(assessment, undecided, customs_of(frameworks));
  tell_of_the_whole(choice, assessment);
  check_expectations(choice.expect, assessment);
  check_rules(choice, all, assessment);
  std::vector<const TableShape*> shapes;
  for (const TableFacts& table : assessment.tables) shapes.push_back(&table.shape);
  refuse_unknown_columns(choice.on_bad_value, shapes);
  if (assessment.plans.empty() && assessment.refusals.empty())
    throw_no_table("there is no table to follow", "the source has none, or all are left out");
  return assessment;
}

void print_assessment(const Assessment& assessment, Screen& screen) {
  using nlohmann::json;
  const auto dump = [](const json& object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  for (const std::string& framework : assessment.frameworks) {
    screen.result(
        fmt::format("note      made by {}; these tables are carried like all others", framework));
    screen.json(dump({{"type", "framework"}, {"what", framework}}));
  }
  std::vector<std::string> all_skipped = assessment.skipped;
  if (!assessment.views.empty())
    all_skipped.push_back(fmt::format("views: {}", fmt::join(assessment.views, ", ")));
  if (!assessment.triggers.empty())
    all_skipped.push_back(fmt::format("triggers: {}; what they change is carried like all changes",
                                      fmt::join(assessment.triggers, ", ")));
  for (const std::string& skipped : all_skipped) {
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
  std::set<std::string> told;  // several reasons of one table are decided by one line
  for (const Finding& finding : all_findings(assessment)) {
    if (finding.code == kWaitingKeys) {
      screen.result("note      " + finding.what);
      screen.json(finding_json(finding));
    }
    if (finding.severity != Severity::blocker) continue;
    const std::string decide =
        fmt::format("decide    {} {}: {}   or {}", finding.code, finding.place(),
                    finding.decide_config, finding.decide_flag);
    if (told.insert(decide).second) screen.result(decide);
    screen.json(finding_json(finding));
  }
}

}  // namespace lockstep::ops
