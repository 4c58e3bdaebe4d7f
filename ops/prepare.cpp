#include "ops/prepare.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "apply/existing.hpp"
#include "apply/ledger.hpp"
#include "apply/target_schema.hpp"
#include "capture/left_out.hpp"
#include "capture/take_over.hpp"
#include "link/postgres/identity.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/shape.hpp"
#include "ops/assessment.hpp"
#include "ops/census_store.hpp"
#include "ops/existing_rows.hpp"
#include "ops/left_out.hpp"
#include "ops/migration_lock.hpp"
#include "ops/names.hpp"
#include "ops/own_ledger.hpp"
#include "ops/refusals.hpp"
#include "ops/schema_follower.hpp"
#include "ops/there_only.hpp"
#include "snapshot/reader.hpp"

namespace lockstep::ops {

namespace {

using apply::Phase;
using postgres::Connection;
using sqlite::Database;
using sqlite::OpenMode;

std::string chosen_schema(const RunRequest& request, const postgres::Dsn& dsn,
                          const std::optional<capture::Installed>& installed) {
  if (!request.schema.empty()) return request.schema;
  if (!dsn.schema.empty()) return dsn.schema;
  return installed && !installed->target_schema.empty() ? installed->target_schema : "public";
}

// What the application did to its schema meanwhile. Most starts find nothing to do and write
// nothing.
void follow_changed_schema(const std::string& path, capture::Installed& installed,
                           const LookAtTarget& look, Screen& screen) {
  for (const Note& note : follow_schema(path, installed, true, false, look)) screen.note(note);
}

// A choice of what to do with values is no rule about them: each start may make another one.
void follow_choices(const std::string& path, const BadValuePolicy& policy,
                    capture::Installed& installed) {
  bool differs = false;
  for (TablePlan& plan : installed.tables) {
    auto choices = choices_for(policy, plan.shape, &plan, installed.on_bad_value);
    for (std::size_t i = 0; i < choices.size(); ++i)
      differs = differs || choices[i] != plan.on_bad_value_of(i);
    plan.on_bad_value = std::move(choices);
    auto personal = personal_for(policy, plan.shape, &plan);
    for (std::size_t i = 0; i < personal.size(); ++i)
      differs = differs || personal[i] != plan.is_personal(i);
    plan.personal = std::move(personal);
  }
  const OnBadValue later = policy.all.value_or(installed.on_bad_value);
  differs = differs || later != installed.on_bad_value;
  installed.on_bad_value = later;
  if (!differs) return;
  Database writing = Database::open(path, OpenMode::read_write);
  capture::keep_choices(writing, installed);
}

// Of tables that were made since, an --exclude of now says that they may stay behind.
void exclude_more(const std::string& path, const std::vector<std::string>& exclude,
                  const capture::Installed& installed) {
  Database reading = Database::open(path, OpenMode::read_only);
  std::vector<std::string> names = left_out_of(reading, installed).not_followed;
  std::erase_if(names, [&](const std::string& name) { return !matches_any(name, exclude); });
  if (names.empty()) return;
  Database writing = Database::open(path, OpenMode::read_write);
  capture::accept_left_out(writing, names);
}

// "--exclude extra": globs that no table of SQLite's fits.
std::vector<std::string> words_that_name_nothing(const RunRequest& request,
                                                 const std::vector<sqlite::TableName>& tables) {
  std::vector<std::string> words;
  const auto look = [&](const char* flag, const std::vector<std::string>& globs) {
    for (const std::string& glob : globs)
      if (std::none_of(tables.begin(), tables.end(), [&](const sqlite::TableName& table) {
            return matches_any(table.name, {glob});
          }))
        words.push_back(fmt::format("{} {}", flag, glob));
  };
  look("--tables", request.tables);
  look("--exclude", request.exclude);
  return words;
}

// A table may wait for such a choice to be followed, and a column for its table.
void follow_source(const std::string& path, const BadValuePolicy& policy,
                   capture::Installed& installed, const LookAtTarget& look, Screen& screen) {
  follow_choices(path, policy, installed);
  follow_changed_schema(path, installed, look, screen);
  follow_choices(path, policy, installed);
  std::vector<const TableShape*> shapes;
  for (const TablePlan& plan : installed.tables) shapes.push_back(&plan.shape);
  refuse_unknown_columns(policy, shapes);
}

// The session of the attempt before may not have ended yet.
void lock_migration(Connection& connection, const std::string& schema, Attempt& attempt) {
  take_migration_lock(connection, schema, attempt.own_backend);
  attempt.own_backend = connection.backend_pid();
}

// A lockstep that was killed in the middle of an entry has left a session that holds what it wants.
void run_after_schema(Connection& connection, const std::string& migration,
                      const std::string& schema, const apply::Hooks& hooks) {
  if (hooks.after_schema.empty()) return;
  end_left_behind(connection);
  std::optional<Connection> session;
  const auto open = [&]() -> Connection& {
    session.reset();  // roles may have few
    return session.emplace(Connection::open(connection.dsn(), "hook"));
  };
  apply::run_hooks(connection, migration, schema, "after_schema", hooks.after_schema, open);
}

// It is the person's server; but "durable" is then only a word, and the ledger's with it.
void warn_of_unsafe_settings(Connection& connection, Screen& screen) {
  const std::vector<std::string> settings = postgres::unsafe_settings(connection);
  if (settings.empty()) return;
  screen.note(
      Note{"LS-T216", "",
           fmt::format("the target server has {}: a crash of its machine can lose what was applied",
                       fmt::join(settings, ", "))});
}

std::vector<apply::TableToCopy> tables_to_copy(Database& reading,
                                               const std::vector<TablePlan>& plans) {
  std::vector<apply::TableToCopy> tables;
  for (const TablePlan& plan : plans)
    tables.push_back({plan, snapshot::split_points(reading, plan.shape)});
  return tables;
}

template <class Request>
TableChoice choice_of(const Request& request) {
  return {.tables = request.tables,
          .exclude = request.exclude,
          .expect = request.expect,
          .rules = request.rules.value_or(RuleSet()),
          .on_bad_value = request.on_bad_value};
}

void print_or_refuse(const Assessment& assessment, Screen& screen) {
  print_assessment(assessment, screen);
  refuse_uncarried(assessment);
}

std::map<std::uint32_t, std::int64_t> rows_by_table(const Assessment& assessment) {
  std::map<std::uint32_t, std::int64_t> rows;
  for (std::size_t i = 0; i < assessment.plans.size(); ++i)
    rows[assessment.plans[i].id] = assessment.rows[i];
  return rows;
}

capture::Installed first_install(Database& reading, const std::string& migration,
                                 std::string source_id, Assessment assessment,
                                 capture::TableChoice choice) {
  auto census_rows = rows_by_table(assessment);
  return {.source_id = std::move(source_id),
          .era = capture::random_era(reading),
          .migration = migration,
          .target = {},
          .target_schema = {},
          .tables = std::move(assessment.plans),
          .choice = std::move(choice),
          .census_rows = std::move(census_rows)};
}

capture::Installed start(const RunRequest& request, const std::string& path,
                         const std::string& migration, const std::string& schema,
                         Connection& connection, Screen& screen) {
  Database reading = Database::open(path, OpenMode::read_only);
  const auto there = apply::read_catalog(connection, schema);
  TableChoice choice = choice_of(request);
  for (std::string& skipped : rows_to_skip(reading, connection, schema, there, request, screen))
    choice.exclude.push_back(std::move(skipped));
  choice.there = &there;
  choice.silent = apply::may_be_silent(connection);
  Assessment assessment = assess(reading, choice, screen);
  add_unchecked(connection, schema, assessment);
  print_or_refuse(assessment, screen);
  settle_existing_rows(connection, schema, request.on_existing_row, assessment.plans, screen);
  const auto entered = apply::read_ledger(connection, migration, apply::RowLock::none);
  refuse_taken_names(connection, schema, assessment.plans);
  capture::Installed first = first_install(
      reading, migration, entered ? entered->source_id : to_string(capture::random_era(reading)),
      std::move(assessment), {request.tables, choice.exclude, request.rules.value_or(RuleSet())});
  first.on_bad_value = request.on_bad_value.all.value_or(OnBadValue::stop);
  first.target = connection.dsn().without_secrets();
  first.target_schema = schema;
  // The ledger comes first: a source with triggers and no ledger would be nobody's.
  apply::create_ledger(connection);
  if (!entered)
    apply::enter_ledger(connection, migration, first.source_id,
                        std::filesystem::absolute(path).string(), schema);
  Database writing = Database::open(path, OpenMode::read_write);
  capture::install(writing, first);
  forget_census(path);
  return first;
}

}  // namespace

Prepared prepare(const RunRequest& request, Attempt& attempt, Screen& screen) {
  const std::string path = source_path(request.source);
  Database reading = Database::open(path, OpenMode::read_only);
  std::optional<capture::Installed> installed = capture::read_installed(reading);
  const postgres::Dsn dsn = postgres::parse_dsn(request.target);
  for (const std::string& note : dsn.notes) screen.note("note      " + note);
  const std::string schema = chosen_schema(request, dsn, installed);
  const std::string migration = installed ? installed->migration : migration_name(path);
  if (!installed) refuse_own_schema(schema);

  Connection connection = Connection::open(dsn, "apply");
  attempt.connected = true;
  warn_of_unsafe_settings(connection, screen);
  lock_migration(connection, schema, attempt);
  std::optional<apply::LedgerRow> ledger =
      apply::read_ledger(connection, migration, apply::RowLock::none);
  const auto role = ledger ? postgres_role(connection, migration) : switchover::Role::replica;
  check_together(installed, ledger, path, role);
  if (installed) {
    refuse_changed_choice(request.tables, request.exclude, schema, request.rules, *installed);
    exclude_more(path, request.exclude, *installed);
    const LookAtTarget look = [&] {
      return view_of({&connection, [](Connection*) {}}, schema);  // it outlives the start
    };
    follow_source(path, request.on_bad_value, *installed, look, screen);
  }
  refuse_other_migrations(connection, migration, schema);

  if (!installed) {
    installed = start(request, path, migration, schema, connection, screen);
    ledger = apply::read_ledger(connection, migration, apply::RowLock::none);
  } else {
    refuse_copy(path, *installed, *ledger);
    if (installed->target.empty()) {
      installed->target = dsn.without_secrets();
      installed->target_schema = schema;
      Database writing = Database::open(path, OpenMode::read_write);
      capture::record_place(writing, installed->target, schema);
    }
    apply::create_ledger(connection);  // what an older lockstep did not have in it
  }
  // An accept that did not reach the target left its guard open.
  if (capture::schema_hold(reading) != capture::SchemaHold::held)
    apply::hold_guard(connection, migration, false);
  if (ledger->phase == Phase::installing) {
    refuse_taken_names(connection, schema, installed->tables);
    // Row 0, which install made durable: a later one might not survive a power loss yet.
    const Position p0 = capture::first_position(reading, installed->era);
    apply::begin_snapshot(connection, *ledger, p0, tables_to_copy(reading, installed->tables));
    ledger->phase = Phase::snapshot;
  }
  if (ledger->phase == Phase::snapshot)
    run_after_schema(connection, migration, schema, request.hooks);
  return {path,
          migration,
          schema,
          std::move(*installed),
          std::move(connection),
          request.accept_target,
          request.hooks,
          request.guard,
          request.continuous,
          request.dual_write};
}

void check_choices_after_cutover(const RunRequest& request, Screen& screen) {
  Database reading = Database::open(source_path(request.source), OpenMode::read_only);
  const capture::Installed installed = capture::require_installed(reading);
  const std::string schema = chosen_schema(request, postgres::parse_dsn(request.target), installed);
  const auto changed =
      changed_choices(request.tables, request.exclude, schema, request.rules, installed);
  if (!changed.empty())
    throw Error({.code = "LS-R702",
                 .exit = ExitCode::precondition,
                 .what = "this migration was started with other choices",
                 .why = fmt::format("{}; it was cut over, and goes back as it came",
                                    fmt::join(changed, "; ")),
                 .data = "nothing was touched; PostgreSQL keeps what is to go back into SQLite",
                 .todo = "run it with what it was started with"});
  const auto nothing = words_that_name_nothing(request, sqlite::list_tables(reading));
  if (nothing.empty()) return;
  screen.note(Note{"LS-X674", "",
                   fmt::format("{}: SQLite has no such table, so after a cutover this has no "
                               "effect; what was made on PostgreSQL since stays there (lockstep "
                               "rollback --accept-left-out)",
                               fmt::join(nothing, ", "))});
}

PreparedSource prepare_source(const CaptureRequest& request, Screen& screen) {
  const std::string path = source_path(request.source);
  Database reading = Database::open(path, OpenMode::read_only);
  std::optional<capture::Installed> installed = capture::read_installed(reading);
  refuse_moved_source(reading, path, installed);
  if (installed) {
    refuse_changed_choice(request.tables, request.exclude, installed->target_schema, request.rules,
                          *installed);
    exclude_more(path, request.exclude, *installed);
    follow_source(path, request.on_bad_value, *installed, {}, screen);
    return {path, std::move(*installed)};
  }
  Assessment assessment = assess(reading, choice_of(request), screen);
  print_or_refuse(assessment, screen);
  installed = first_install(reading, migration_name(path), to_string(capture::random_era(reading)),
                            std::move(assessment),
                            {request.tables, request.exclude, request.rules.value_or(RuleSet())});
  installed->on_bad_value = request.on_bad_value.all.value_or(OnBadValue::stop);
  Database writing = Database::open(path, OpenMode::read_write);
  capture::install(writing, *installed);
  forget_census(path);
  return {path, std::move(*installed)};
}

PreparedTarget prepare_target(const ApplyRequest& request, const wire::Welcome& welcome,
                              Attempt& attempt, Screen& screen) {
  const postgres::Dsn dsn = postgres::parse_dsn(request.target);
  for (const std::string& note : dsn.notes) screen.note("note      " + note);
  Connection connection = Connection::open(dsn, "apply");
  attempt.connected = true;
  warn_of_unsafe_settings(connection, screen);
  auto ledger = apply::read_ledger(connection, welcome.migration, apply::RowLock::none);
  const std::string schema = !request.schema.empty() ? request.schema
                             : ledger                ? ledger->target_schema
                             : !dsn.schema.empty()   ? dsn.schema
                                                     : "public";
  if (!ledger) refuse_own_schema(schema);
  lock_migration(connection, schema, attempt);
  capture::Installed installed{.source_id = welcome.source_id,
                               .era = welcome.first.era,
                               .migration = welcome.migration,
                               .target = dsn.without_secrets(),
                               .target_schema = ledger ? ledger->target_schema : schema,
                               .tables = welcome.tables};
  if (ledger) {
    const switchover::Role role = postgres_role(connection, welcome.migration);
    check_together(installed, ledger, welcome.source, role);
    refuse_moved_target(role, *ledger, dsn);
    apply::create_ledger(connection);  // what an older lockstep did not have in it
    refuse_changed_choice({}, {}, schema, std::nullopt, installed);
  }
  refuse_other_migrations(connection, welcome.migration, schema);
  if (!ledger) {
    refuse_taken_names(connection, schema, welcome.tables);
    apply::create_ledger(connection);
    apply::enter_ledger(connection, welcome.migration, welcome.source_id, welcome.source, schema);
    ledger = apply::read_ledger(connection, welcome.migration, apply::RowLock::none);
  }
  if (ledger->phase == Phase::installing) {
    refuse_taken_names(connection, schema, welcome.tables);
    std::vector<apply::TableToCopy> tables;
    for (std::size_t i = 0; i < welcome.tables.size(); ++i)
      tables.push_back({welcome.tables[i], i < welcome.split_points.size()
                                               ? welcome.split_points[i]
                                               : std::vector<std::int64_t>()});
    apply::begin_snapshot(connection, *ledger, welcome.first, tables);
    ledger->phase = Phase::snapshot;
  }
  if (ledger->phase == Phase::snapshot)
    run_after_schema(connection, welcome.migration, schema, request.hooks);
  return {welcome.migration, schema, welcome.source_id, welcome.source, std::move(connection)};
}

}  // namespace lockstep::ops
