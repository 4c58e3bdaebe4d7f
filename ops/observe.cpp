#include "ops/observe.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apply/ledger.hpp"
#include "apply/quarantine.hpp"
#include "capture/drift.hpp"
#include "capture/install.hpp"
#include "link/sqlite/lock_file.hpp"
#include "ops/board.hpp"
#include "ops/endpoint.hpp"
#include "ops/left_out.hpp"
#include "ops/names.hpp"
#include "ops/open_files.hpp"
#include "ops/own_ledger.hpp"
#include "switchover/postgres_side.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;

[[noreturn]] void throw_no_migration(const std::string& side) {
  throw Error({.code = "LS-R712",
               .exit = ExitCode::precondition,
               .what = fmt::format("there is no migration of {}", side),
               .why = "neither lockstep's tables nor a running lockstep were found",
               .data = "nothing was touched",
               .todo = "lockstep run SOURCE TARGET starts one"});
}

[[noreturn]] void throw_is_completed(const std::string& path) {
  throw Error(
      {.code = "LS-X626",
       .exit = ExitCode::precondition,
       .what = fmt::format("the migration of {} was completed", path),
       .why = "the application writes to PostgreSQL for good; this is an old copy, which "
              "is fenced",
       .data = "nothing was touched",
       .todo = fmt::format("nothing; once no application opens the old copy, lockstep remove {} "
                           "--confirm {} takes its fence off",
                           shell_word(path), shell_word(migration_name(path)))});
}

std::optional<Position> position_in(const json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return parse_position(found->get<std::string>());
}

std::optional<Stall> stall_in(const json& object, Milliseconds after) {
  Reports reports;
  reports.updated_us = object.value("updated_us", std::int64_t{0});
  reports.source_us = object.value("source_seen_us", std::int64_t{0});
  reports.target_us = object.value("target_seen_us", std::int64_t{0});
  reports.phase = object.value("phase", "unknown");
  const auto applied = position_in(object, "applied");
  reports.applied = applied ? to_string(*applied) : "nothing";
  return stalled(reports, wall_now_us(), after);
}

std::optional<Observed> published(const std::string& path, Milliseconds stalled_after) {
  const auto status = sqlite::read_published(path);
  if (!status || !status->alive || status->text.empty()) return std::nullopt;
  json object = json::parse(status->text, nullptr, false);
  if (object.is_discarded()) return std::nullopt;
  if (const auto stall = stall_in(object, stalled_after))
    object["stalled"] = {{"since", rfc3339(stall->since_us)}, {"what", stall->what}};
  Observed observed;
  observed.running = true;
  observed.json = object.dump(-1, ' ', false, json::error_handler_t::replace);
  observed.phase = object.value("phase", "unknown");
  observed.consistent = object.value("consistent", false);
  observed.captured = position_in(object, "captured");
  observed.applied = position_in(object, "applied");
  if (const json settled = object.value("schema_settled", json()); settled.is_number_integer())
    observed.schema_settled = settled.get<std::int64_t>();
  return observed;
}

bool captures_alone(const Observed& observed) {
  const json object = json::parse(observed.json, nullptr, false);
  return object.is_object() && is_endpoint(object.value("target", ""));
}

void add_ledger(Status& status, postgres::Connection& connection, const apply::LedgerRow& ledger) {
  status.migration = ledger.migration;
  status.schema = ledger.target_schema;
  status.target = connection.dsn().shown();
  status.phase = to_string(ledger.phase);
  status.consistent = ledger.consistent;
  status.applied = ledger.position;
  status.acked = ledger.position;
  const apply::QuarantineCounts waiting = apply::count_quarantine(connection, ledger.migration);
  status.quarantined = waiting.held;
  status.skipped = waiting.skipped;
  status.guard = apply::look_at_guard(connection, ledger.migration, ledger.target_schema);
  const auto dual = apply::read_dual_tables(connection, ledger.migration);
  for (const apply::LedgerTable& table : apply::read_tables(connection, ledger.migration)) {
    TableProgress progress{table.plan.id, table.plan.name(), table.rows, 0,
                           table.copied,  table.indexed};
    if (const apply::DualTable* found = apply::find_dual(dual, table.plan.id))
      progress.dual = *found;
    status.tables.push_back(std::move(progress));
  }
}

const char* writers_of(switchover::Role sqlite) {
  return sqlite == switchover::Role::primary   ? "sqlite"
         : sqlite == switchover::Role::replica ? "postgres"
                                               : "nowhere";
}

// After a cutover what follows is the way back: its log says what waits.
void add_way_back(Status& status, postgres::Connection& connection) {
  if (status.writers != "postgres") return;
  status.phase = "reverse";
  status.backlog = switchover::count_logged(connection, status.migration);
  status.log_counted = true;
  status.cannot_go_back = switchover::cannot_go_back(
      connection, status.schema, apply::plans_of(apply::read_tables(connection, status.migration)));
}

// Where the SQLite file cannot be seen.
void add_writers(Status& status, postgres::Connection& connection) {
  if (connection.exec("SELECT to_regclass('lockstep.switchover')").is_null(0, 0)) return;
  const auto side = switchover::read_postgres_side(connection, status.migration).side;
  if (side.role != switchover::Role::replica)
    status.writers = side.role == switchover::Role::primary ? "postgres" : "nowhere";
}

Observed finish(Status status, std::string problem) {
  if (status.writers == "sqlite" && status.captured && status.applied)
    status.backlog = status.captured->seq - status.applied->seq;
  if (!problem.empty()) status.awaited = Awaited{"LS-R713", problem, wall_now_us()};
  Observed observed;
  observed.json = status_json(status);
  observed.phase = status.phase;
  observed.consistent = status.consistent;
  observed.captured = status.captured;
  observed.applied = status.applied;
  observed.problem = std::move(problem);
  return observed;
}

std::optional<capture::Installed> add_source(Status& status, const std::string& path) {
  sqlite::Database database =
      sqlite::Database::open(path, sqlite::OpenMode::read_only, Milliseconds{1'000});
  std::optional<capture::Installed> installed = capture::read_installed(database);
  status.source = path;
  if (installed) status.captured = capture::newest_position(database, installed->era);
  const switchover::Role role = switchover::read_sqlite_side(database).role;
  if (role == switchover::Role::primary) return installed;
  if (!installed) throw_is_completed(path);
  status.writers = writers_of(role);
  status.refused_writes = switchover::read_refused_writes(database).writes;
  if (const auto position = switchover::read_reverse_position(database))
    status.reverse_number = position->number;
  status.open_in = who_has_open(path);
  return installed;
}

Observed observe_source(const std::string& path, Milliseconds stalled_after) {
  if (auto observed = published(path, stalled_after)) return *observed;
  Status status;
  status.phase = "not running";
  const auto installed = add_source(status, path);
  if (!installed) throw_no_migration(path);
  status.migration = installed->migration;
  status.schema = installed->target_schema;
  try {
    const postgres::Dsn dsn = postgres::parse_dsn(installed->target);
    status.target = dsn.shown();
    postgres::Connection connection =
        postgres::Connection::open(dsn, "status", Milliseconds{3'000});
    const auto ledger = apply::read_ledger(connection, installed->migration, apply::RowLock::none);
    if (!ledger) return finish(std::move(status), "the target has no ledger of this migration");
    require_own(*ledger, *installed, dsn);
    add_ledger(status, connection, *ledger);
    add_way_back(status, connection);
  } catch (const Error& error) {
    return finish(std::move(status), error.what());
  }
  return finish(std::move(status), {});
}

Observed observe_target(const std::string& text, Milliseconds stalled_after) {
  const postgres::Dsn dsn = postgres::parse_dsn(text);
  postgres::Connection connection = postgres::Connection::open(dsn, "status", Milliseconds{5'000});
  const std::vector<apply::LedgerRow> ledgers = apply::all_ledgers(connection);
  if (ledgers.empty()) throw_no_migration(dsn.shown());
  if (ledgers.size() > 1)
    throw Error(
        {.code = "LS-R714",
         .exit = ExitCode::usage,
         .what = fmt::format("{} is the target of {} migrations", dsn.shown(), ledgers.size()),
         .why = "one must be named",
         .data = "nothing was touched",
         .todo = "give the SOURCE instead"});
  const apply::LedgerRow& ledger = ledgers.front();
  if (std::filesystem::exists(ledger.source))
    // A capture of its own knows less than the ledger.
    if (auto observed = published(ledger.source, stalled_after);
        observed && !captures_alone(*observed))
      return *observed;
  Status status;
  add_ledger(status, connection, ledger);
  std::string problem;
  try {
    static_cast<void>(add_source(status, ledger.source));
  } catch (const Error& error) {
    problem = error.what();
    add_writers(status, connection);
  }
  add_way_back(status, connection);
  return finish(std::move(status), std::move(problem));
}

}  // namespace

SourceNow source_now(const std::string& side) {
  std::string path;
  if (!looks_like_target(side)) {
    path = source_path(side);
  } else {
    postgres::Connection connection =
        postgres::Connection::open(postgres::parse_dsn(side), "status", Milliseconds{5'000});
    const std::vector<apply::LedgerRow> ledgers = apply::all_ledgers(connection);
    if (ledgers.size() != 1) throw_no_migration(connection.dsn().shown());
    path = ledgers.front().source;
  }
  sqlite::Database database =
      sqlite::Database::open(path, sqlite::OpenMode::read_only, Milliseconds{1'000});
  const sqlite::Transaction view(database, sqlite::Transaction::Mode::deferred);
  const auto installed = capture::read_installed(database);
  if (!installed) throw_no_migration(path);
  return {capture::newest_position(database, installed->era),
          database.pragma_int("schema_version")};
}

bool schema_is_followed(const std::string& source) {
  const std::string path = source_path(source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const sqlite::Transaction view(database, sqlite::Transaction::Mode::deferred);
  auto installed = capture::read_installed(database);
  if (!installed) return true;
  if (!capture::drift(database, installed->tables).empty()) return false;
  // After a cutover nobody looks, and nothing is logged that could be missed: a VACUUM stays so.
  if (switchover::read_sqlite_side(database).role != switchover::Role::primary) return true;
  // Who runs has seen more of the schema's way than is recorded.
  const auto seen = published(path, kStalledAfter);
  if (seen && seen->schema_settled &&
      *seen->schema_settled >= database.pragma_int("schema_version"))
    return true;
  installed->schema_watch.look(database);
  return capture::in_question(installed->schema_watch, installed->tables).empty();
}

bool schema_has_arrived(const std::string& path) {
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const sqlite::Transaction view(database, sqlite::Transaction::Mode::deferred);
  const capture::Installed installed = capture::require_installed(database);
  if (!capture::drift(database, installed.tables).empty()) return false;
  if (!left_out_of(database, installed).not_followed.empty()) return false;
  const auto seen = published(path, kStalledAfter);
  return seen && seen->schema_settled &&
         *seen->schema_settled >= database.pragma_int("schema_version");
}

Observed observe(const std::string& side, Milliseconds stalled_after) {
  if (looks_like_target(side)) return observe_target(side, stalled_after);
  return observe_source(source_path(side), stalled_after);
}

}  // namespace lockstep::ops
