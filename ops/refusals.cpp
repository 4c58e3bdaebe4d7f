#include "ops/refusals.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "link/sqlite/database.hpp"
#include "ops/names.hpp"
#include "ops/own_ledger.hpp"
#include "switchover/sqlite_side.hpp"
#include "switchover/switch_errors.hpp"

namespace lockstep::ops {

namespace {

using apply::Phase;
using postgres::Connection;

[[noreturn]] void throw_state(std::string code, std::string what, std::string why,
                              std::string todo) {
  throw Error({.code = std::move(code),
               .exit = ExitCode::busy,
               .what = std::move(what),
               .why = std::move(why),
               .data = "nothing was touched",
               .todo = std::move(todo)});
}

}  // namespace

void refuse_own_schema(const std::string& schema) {
  if (schema != "lockstep") return;
  throw Error({.code = "LS-C106",
               .exit = ExitCode::usage,
               .what = "the tables cannot go into schema lockstep",
               .why = "lockstep keeps its own there, and a table called ledger or quarantine would "
                      "meet it",
               .data = "nothing was touched",
               .todo = "another --schema; public is what it takes without one"});
}

// A second migration into the same schema would meet the first one's tables sooner or later.
void refuse_other_migrations(Connection& connection, const std::string& migration,
                             const std::string& schema) {
  for (const apply::LedgerRow& row : apply::all_ledgers(connection))
    if (row.migration != migration && row.target_schema == schema)
      throw_state("LS-R710",
                  fmt::format("schema {} already belongs to migration {}", schema, row.migration),
                  fmt::format("it follows {}", row.source),
                  "choose another schema with --schema, or lockstep remove that migration first");
}

std::vector<std::string> changed_choices(const std::vector<std::string>& tables,
                                         const std::vector<std::string>& exclude,
                                         const std::string& schema,
                                         const std::optional<RuleSet>& rules,
                                         const capture::Installed& installed) {
  std::vector<std::string> changed;
  // A source that capture installed alone knows no schema.
  if (!installed.target_schema.empty() && schema != installed.target_schema)
    changed.push_back(fmt::format("--schema {} (it is {})", schema, installed.target_schema));
  for (const TablePlan& plan : installed.tables) {
    const bool wanted =
        (tables.empty() || matches_any(plan.name(), tables)) && !matches_any(plan.name(), exclude);
    if (!wanted)
      changed.push_back(fmt::format("table {} is followed and would be left out", plan.name()));
    if (!rules || !wanted) continue;
    const TableRules now = with_fallbacks(rules_of(*rules, plan.shape), plan.shape, &plan);
    for (std::string& what : changed_rules(plan.rules, now, plan.shape))
      changed.push_back(std::move(what));
  }
  return changed;
}

void refuse_changed_choice(const std::vector<std::string>& tables,
                           const std::vector<std::string>& exclude, const std::string& schema,
                           const std::optional<RuleSet>& rules,
                           const capture::Installed& installed) {
  const auto changed = changed_choices(tables, exclude, schema, rules, installed);
  if (changed.empty()) return;
  throw Error(
      {.code = "LS-R702",
       .exit = ExitCode::precondition,
       .what = "this migration was started with other choices",
       .why = fmt::format("{}", fmt::join(changed, "; ")),
       .data = "nothing was touched",
       .todo =
           "go on with what it was started with, or lockstep remove SOURCE TARGET and start anew"});
}

// Tables, indexes and constraints share one namespace on PostgreSQL.
void refuse_taken_names(Connection& connection, const std::string& schema,
                        const std::vector<TablePlan>& plans) {
  std::vector<std::string> taken;
  for (const TablePlan& plan : plans) {
    if (plan.existing) continue;
    std::vector<std::string> names{plan.target_name()};
    names.insert(names.end(), plan.carried_indexes.begin(), plan.carried_indexes.end());
    for (const std::string& name : names) {
      const postgres::Result found = connection.query(
          "SELECT c.relkind FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
          "WHERE "
          "n.nspname = $1 AND c.relname = $2",
          {schema, name});
      if (found.rows() > 0) taken.push_back(name);
    }
  }
  if (taken.empty()) return;
  throw Error(
      {.code = "LS-T206",
       .exit = ExitCode::precondition,
       .what = fmt::format("the target has relations of the same names already: {}",
                           fmt::join(taken, ", ")),
       .why = fmt::format("schema {} of {}; no lockstep ledger knows them", schema,
                          connection.dsn().shown()),
       .data = "nothing was installed; nothing was touched",
       .todo =
           "wrong database? Else drop or rename them, choose --schema, or --exclude the tables"});
}

void refuse_uncarried(const Assessment& assessment) {
  if (assessment.refusals.empty()) return;
  std::vector<std::string> names;
  for (const Refusal& refusal : assessment.refusals) names.push_back(refusal.table);
  throw Error({.code = "LS-A100",
               .exit = ExitCode::precondition,
               .what = fmt::format("{} of {} tables cannot be carried over exactly", names.size(),
                                   names.size() + assessment.plans.size()),
               .why = "each is named above with its reasons",
               .data = "no trigger was installed; nothing was touched on either side",
               .todo = fmt::format("change them, or go on without them: --exclude {}",
                                   shell_word(fmt::format("{}", fmt::join(names, ","))))});
}

void refuse_copy(const std::string& path, const capture::Installed& installed,
                 const apply::LedgerRow& ledger) {
  std::error_code gone;
  if (std::filesystem::equivalent(path, ledger.source, gone) || gone) return;
  if (ledger.source_id != installed.source_id || !is_followed_file_there(ledger)) return;
  throw_state("LS-R716", fmt::format("{} is a copy of the database that is followed", path),
              fmt::format("the target follows {}, which is still there; both have the triggers of "
                          "one migration",
                          ledger.source),
              fmt::format("go on with {}; or, to follow the copy instead, move that file away; or "
                          "lockstep remove {} to use the copy for something else",
                          ledger.source, path));
}

namespace {

[[noreturn]] void throw_without_triggers(const apply::LedgerRow& ledger, const std::string& path,
                                         switchover::Role postgres) {
  const bool same = is_same_file(path, ledger), moved = postgres != switchover::Role::replica;
  if (same && moved) {
    // A file from before the first cutover knows of none, and is open.
    switchover::Sides sides;
    sides.postgres.role = postgres;
    switchover::throw_at_odds(sides, {path, {}, ledger.migration, ledger.target_schema});
  }
  const std::string what =
      fmt::format("{} has no lockstep triggers, but the target's ledger follows {}", path,
                  same ? std::string("it") : ledger.source);
  if (moved)
    throw_state(
        "LS-R711", what,
        "that migration was cut over: its application writes to PostgreSQL, and this is another "
        "file, without its fence",
        fmt::format("put the file back that was followed, or go on with it; the tables on "
                    "PostgreSQL hold what the application writes: keep them. If {} is to "
                    "be followed, choose another target or call it otherwise",
                    path));
  throw_state("LS-R711", what,
              same ? std::string("they were removed, or this is an older copy of the file")
                   : fmt::format("two files of one name are one migration to a target: {}",
                                 ledger.migration),
              same ? fmt::format("lockstep remove {} TARGET, drop the copied tables, then run "
                                 "again: a new copy is needed",
                                 path)
                   : fmt::format("another application's file: call it otherwise, or choose another "
                                 "target. The same one in a new place: lockstep remove {} TARGET "
                                 "--confirm {}, drop the copied tables, then run again",
                                 path, ledger.migration));
}

}  // namespace

void check_together(const std::optional<capture::Installed>& installed,
                    const std::optional<apply::LedgerRow>& ledger, const std::string& path,
                    switchover::Role postgres) {
  if (installed && !ledger)
    throw_state(
        "LS-R707", fmt::format("{} is followed already, and this target has no ledger of it", path),
        installed->target.empty()
            ? std::string("lockstep capture installed its triggers, for a lockstep apply elsewhere")
            : fmt::format("its triggers belong to {} (schema {}): another target; or this one, "
                          "whose schema lockstep was dropped",
                          installed->target, installed->target_schema),
        fmt::format("if that is another target, go on with it. If it is this one, nobody knows any "
                    "more what its tables hold: lockstep remove {}, drop the copied tables there, "
                    "then run again",
                    path));
  if (!installed && ledger && ledger->phase != Phase::installing)
    throw_without_triggers(*ledger, path, postgres);
  if (installed && ledger && installed->source_id != ledger->source_id)
    throw_state("LS-R708", "source and target belong to different migrations of the same name",
                fmt::format("the ledger follows {} ({})", ledger->source, ledger->source_id),
                "check both paths; or lockstep remove the one that is no longer wanted");
}

void check_together_after_cutover(const capture::Installed& installed,
                                  const std::optional<apply::LedgerRow>& ledger,
                                  const std::string& path, switchover::Role sqlite) {
  if (ledger || sqlite == switchover::Role::primary)
    return check_together(installed, ledger, path, switchover::Role::replica);
  const std::string& target = installed.target;
  throw_state(
      "LS-X673", fmt::format("{} was cut over, and this target has no ledger of it", path),
      target.empty()
          ? std::string("its application writes to another target; or to this one, whose schema "
                        "lockstep was dropped")
          : fmt::format("its application writes to {} (schema {}): another target; or this one, "
                        "whose schema lockstep was dropped",
                        target, installed.target_schema),
      fmt::format("if that is another target, go on with it: lockstep run {0} {1}. If it is this "
                  "one, there is no way back any more: lockstep complete {0} TARGET --confirm {2}; "
                  "keep its tables, which hold what the application writes",
                  shell_word(path), target.empty() ? "TARGET" : shell_word(target),
                  shell_word(installed.migration)));
}

namespace {

constexpr char kOneLockstep[] =
    "capture and apply bring SQLite's changes to PostgreSQL and nothing back: they would say that "
    "all is well, while what is written on PostgreSQL is missing in SQLite";

}  // namespace

void refuse_moved_source(sqlite::Database& source, const std::string& path,
                         const std::optional<capture::Installed>& installed) {
  const switchover::Role role = switchover::read_sqlite_side(source).role;
  if (role == switchover::Role::primary) return;
  const bool moved = role == switchover::Role::replica;
  if (!installed)
    throw Error({.code = "LS-X626",
                 .exit = ExitCode::precondition,
                 .what = fmt::format("the migration of {} was completed", path),
                 .why = "the application writes to PostgreSQL for good; this is an old copy",
                 .data = "nothing was touched",
                 .todo = "nothing; once no application opens the old copy, lockstep remove takes "
                         "its fence off"});
  throw Error(
      {.code = "LS-X676",
       .exit = ExitCode::precondition,
       .what = moved ? fmt::format("the application of {} writes to PostgreSQL since a cutover: "
                                   "there is nothing to capture",
                                   path)
                     : fmt::format("a cutover or rollback of {} is not over", path),
       .why = kOneLockstep,
       .data = "nothing was touched",
       .todo = fmt::format("lockstep run {} {}, which {}; capture and apply serve again behind a "
                           "rollback",
                           shell_word(path),
                           installed->target.empty() ? "TARGET" : shell_word(installed->target),
                           moved ? "brings PostgreSQL's changes back" : "finishes it")});
}

void refuse_moved_target(switchover::Role postgres, const apply::LedgerRow& ledger,
                         const postgres::Dsn& target) {
  if (postgres == switchover::Role::replica) return;
  throw Error(
      {.code = "LS-X677",
       .exit = ExitCode::precondition,
       .what = postgres == switchover::Role::primary
                   ? fmt::format("the application of {} writes to {} since a cutover: nothing is "
                                 "applied there",
                                 ledger.migration, target.shown())
                   : fmt::format("a rollback of {} is not over", ledger.migration),
       .why = kOneLockstep,
       .data = "nothing was touched",
       .todo = fmt::format("on the source's host: lockstep run {} TARGET; capture and apply serve "
                           "again behind a rollback",
                           shell_word(ledger.source))});
}

}  // namespace lockstep::ops
