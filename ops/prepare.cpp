#include "ops/prepare.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "apply/ledger.hpp"
#include "apply/target_schema.hpp"
#include "link/postgres/names.hpp"
#include "ops/assessment.hpp"
#include "ops/migration_lock.hpp"
#include "ops/names.hpp"
#include "snapshot/reader.hpp"

namespace lockstep::ops {

namespace {

using apply::Phase;
using postgres::Connection;
using sqlite::Database;
using sqlite::OpenMode;

[[noreturn]] void throw_state(std::string code, std::string what, std::string why,
                              std::string todo) {
  throw Error({.code = std::move(code),
               .exit = ExitCode::busy,
               .what = std::move(what),
               .why = std::move(why),
               .data = "nothing was touched",
               .todo = std::move(todo)});
}

std::string chosen_schema(const RunRequest& request, const postgres::Dsn& dsn,
                          const std::optional<capture::Installed>& installed) {
  if (!request.schema.empty()) return request.schema;
  if (!dsn.schema.empty()) return dsn.schema;
  return installed ? installed->target_schema : "public";
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

void refuse_changed_choice(const RunRequest& request, const std::string& schema,
                           const capture::Installed& installed) {
  std::vector<std::string> changed;
  if (schema != installed.target_schema)
    changed.push_back(fmt::format("--schema {} (it is {})", schema, installed.target_schema));
  for (const TablePlan& plan : installed.tables) {
    const bool wanted = (request.tables.empty() || matches_any(plan.name(), request.tables)) &&
                        !matches_any(plan.name(), request.exclude);
    if (!wanted)
      changed.push_back(fmt::format("table {} is followed and would be left out", plan.name()));
  }
  if (changed.empty()) return;
  throw Error(
      {.code = "LS-R702",
       .exit = ExitCode::precondition,
       .what = "this migration was started with other choices",
       .why = fmt::format("{}", fmt::join(changed, "; ")),
       .data = "nothing was touched",
       .todo = "go on without these flags, or lockstep remove SOURCE TARGET and start anew"});
}

// Tables, indexes and constraints share one namespace on PostgreSQL.
void refuse_taken_names(Connection& connection, const std::string& schema,
                        const std::vector<TablePlan>& plans) {
  std::vector<std::string> taken;
  for (const TablePlan& plan : plans) {
    std::vector<std::string> names{plan.name()};
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

struct FirstRun {
  capture::Installed installed;
  std::vector<std::int64_t> rows;
};

FirstRun start(const RunRequest& request, const std::string& path, const std::string& migration,
               const std::string& schema, Connection& connection, Screen& screen) {
  Database reading = Database::open(path, OpenMode::read_only);
  const Assessment assessment = assess(reading, request.tables, request.exclude, screen);
  print_assessment(assessment, screen);
  refuse_uncarried(assessment);
  const auto entered = apply::read_ledger(connection, migration, apply::RowLock::none);
  refuse_taken_names(connection, schema, assessment.plans);
  FirstRun first;
  first.rows = assessment.rows;
  first.installed = {
      .source_id = entered ? entered->source_id : to_string(capture::random_era(reading)),
      .era = capture::random_era(reading),
      .migration = migration,
      .target = connection.dsn().without_secrets(),
      .target_schema = schema,
      .tables = assessment.plans};
  // The ledger comes first: a source with triggers and no ledger anywhere would be nobody's.
  apply::create_ledger(connection);
  if (!entered)
    apply::enter_ledger(connection, migration, first.installed.source_id,
                        std::filesystem::absolute(path).string(), schema);
  Database writing = Database::open(path, OpenMode::read_write);
  capture::install(writing, first.installed);
  return first;
}

void check_together(const std::optional<capture::Installed>& installed,
                    const std::optional<apply::LedgerRow>& ledger, const std::string& path) {
  if (installed && !ledger)
    throw_state(
        "LS-R707", fmt::format("{} is already followed into another target", path),
        fmt::format("its triggers belong to {} (schema {})", installed->target,
                    installed->target_schema),
        fmt::format("go on with that target, or take lockstep out first: lockstep remove {}",
                    path));
  if (!installed && ledger && ledger->phase != Phase::installing)
    throw_state(
        "LS-R711",
        fmt::format("{} has no lockstep triggers, but the target's ledger follows it", path),
        "they were removed, or this is an older or another copy of the file",
        "lockstep remove SOURCE TARGET, drop the copied tables, then run again: a new copy is "
        "needed");
  if (installed && ledger && installed->source_id != ledger->source_id)
    throw_state("LS-R708", "source and target belong to different migrations of the same name",
                fmt::format("the ledger follows {} ({})", ledger->source, ledger->source_id),
                "check both paths; or lockstep remove the one that is no longer wanted");
}

}  // namespace

Prepared prepare(const RunRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  Database reading = Database::open(path, OpenMode::read_only);
  std::optional<capture::Installed> installed = capture::read_installed(reading);
  const postgres::Dsn dsn = postgres::parse_dsn(request.target);
  for (const std::string& note : dsn.notes) screen.note("note      " + note);
  const std::string schema = chosen_schema(request, dsn, installed);
  const std::string migration = installed ? installed->migration : migration_name(path);

  Connection connection = Connection::open(dsn, "apply");
  take_migration_lock(connection, schema);
  std::optional<apply::LedgerRow> ledger =
      apply::read_ledger(connection, migration, apply::RowLock::none);
  check_together(installed, ledger, path);
  if (installed) refuse_changed_choice(request, schema, *installed);
  refuse_other_migrations(connection, migration, schema);

  std::vector<std::int64_t> rows;
  if (!installed) {
    FirstRun first = start(request, path, migration, schema, connection, screen);
    installed = std::move(first.installed);
    rows = std::move(first.rows);
    ledger = apply::read_ledger(connection, migration, apply::RowLock::none);
  }
  if (ledger->phase == Phase::installing) {
    refuse_taken_names(connection, schema, installed->tables);
    // Row 0, which install made durable: a later one might not survive a power loss yet.
    const Position p0 = capture::first_position(reading, installed->era);
    std::vector<apply::TableToCopy> tables;
    for (const TablePlan& plan : installed->tables)
      tables.push_back({plan, snapshot::split_points(reading, plan.shape)});
    apply::begin_snapshot(connection, *ledger, p0, tables);
  }
  return {path, migration, schema, std::move(*installed), std::move(connection), std::move(rows)};
}

}  // namespace lockstep::ops
