#include "ops/gates.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "apply/guard.hpp"
#include "apply/ledger.hpp"
#include "apply/quarantine.hpp"
#include "capture/take_over.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/statement.hpp"
#include "ops/back_gates.hpp"
#include "ops/compared_gates.hpp"
#include "ops/going_back.hpp"
#include "ops/left_out.hpp"
#include "ops/lock_holders.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/printable.hpp"
#include "ops/progress.hpp"
#include "ops/switch_hooks.hpp"
#include "ops/target_gates.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/reverse_probe.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;
using postgres::Connection;
using switchover::Coordinator;
using switchover::Direction;

std::int64_t number_in(const json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

constexpr char kReadOnly[] = "25006";

// As PostgreSQL and SQLite print what is true.
bool means_true(const std::string& text) {
  return text == "t" || text == "true" || std::strtod(text.c_str(), nullptr) != 0;
}

/// Looks at one migration for one direction; every function adds the gates of one kind.
class Gates {
 public:
  Gates(Coordinator& coordinator, Direction direction, const GateLimits& limits)
      : coordinator_(coordinator),
        direction_(direction),
        limits_(limits),
        observed_(observe(coordinator.place().path)),
        status_(json::parse(observed_.json, nullptr, false)) {}

  std::vector<Gate> all() {
    follower();
    if (direction_ == Direction::forward) {
      held();
      lag();
      if (limits_.verify_max_age.count() > 0) add(compared_gate(coordinator_, limits_));
      rows_aside();
      schema();
      left_out();
      tables();
      add(lock_holders_gate(coordinator_));
      add(durability_gate(coordinator_, limits_.accept_unsafe_server));
      for (Gate& gate : not_compared_gate(plans())) add(std::move(gate));
      for (Gate& gate : one_way_gate(switchover::cannot_go_back(
               coordinator_.postgres(), coordinator_.place().schema, plans())))
        add(std::move(gate));
    } else {
      reverse_lag();
      for (Gate& gate : back_gates(coordinator_, plans(), limits_)) add(std::move(gate));
      add(rows_gate(going_back_of(status_)));
      add(compared_back_gate(coordinator_, plans(), limits_));
      add(long_writers_gate(coordinator_, limits_.max_pause));
    }
    for (Gate& gate : subscriptions_gate(coordinator_, direction_)) add(std::move(gate));
    for (Gate& gate : file_gate(coordinator_, limits_.look_into_file)) add(std::move(gate));
    server();
    own();
    if (direction_ == Direction::forward) way_back();
    return std::move(gates_);
  }

 private:
  [[nodiscard]] std::vector<TablePlan> plans() {
    return apply::plans_of(
        apply::read_tables(coordinator_.postgres(), coordinator_.place().migration));
  }
  void add(Gate gate) { gates_.push_back(std::move(gate)); }

  void follower() {
    const char* phase = direction_ == Direction::forward ? "streaming" : "reverse";
    const json awaited = status_.value("awaited", json());
    add({"follower", observed_.running && observed_.phase == phase && awaited.is_null(),
         observed_.running
             ? observed_.phase + (awaited.is_object()
                                      ? ", waits: " + awaited.value("what", std::string("?"))
                                      : "")
             : "no lockstep is running",
         phase,
         !observed_.running    ? "lockstep run SOURCE TARGET"
         : awaited.is_object() ? fmt::format("what {} says: ops/ERRORS.md; lockstep run goes on by "
                                             "itself behind it",
                                             awaited.value("code", std::string("it")))
                               : "wait: lockstep status --watch SOURCE"});
  }

  void lag() {
    const auto lag = status_.find("lag_ms");
    const double ms = lag != status_.end() && lag->is_number() ? lag->get<double>() : 0;
    const std::int64_t backlog = number_in(status_, "backlog_changes");
    // Of the last batch; where nothing waits it says nothing of now.
    const bool late = backlog > 0 && ms > static_cast<double>(limits_.max_lag.count());
    add({"lag", !late, fmt::format("{:.0f} ms", backlog > 0 ? ms : 0.0),
         fmt::format("at most {} ms", limits_.max_lag.count()),
         "wait until it falls: lockstep status --watch SOURCE"});
    // Less than nothing: what was applied is no longer in SQLite.
    if (backlog < 0)
      add({"backlog", false, backlog_text(backlog),
           fmt::format("at most {}", grouped(limits_.max_backlog)),
           "put the newest SQLite file back, or lockstep remove SOURCE TARGET and begin anew"});
    else
      add({"backlog", backlog <= limits_.max_backlog, backlog_text(backlog),
           fmt::format("at most {}", grouped(limits_.max_backlog)),
           "wait until it falls: lockstep status --watch SOURCE"});
  }

  void rows_aside() {
    // The status may be older than a quarantine skip.
    const std::int64_t held =
        apply::count_quarantine(coordinator_.postgres(), coordinator_.place().migration).held;
    add({"quarantine", held == 0, fmt::format("{} rows", held), "none",
         "lockstep quarantine list SOURCE"});
    const json guard = status_.value("guard", json());
    const std::int64_t foreign = guard.is_object() ? number_in(guard, "foreign_writes") : 0;
    add({"foreign writes", foreign == 0, fmt::format("{} statements", foreign), "none",
         "stop who writes to PostgreSQL already, then lockstep verify --repair SOURCE TARGET"});
  }

  // What it opens on PostgreSQL was open to anybody; a rollback ends it by itself.
  void held() {
    const bool here = capture::schema_hold(coordinator_.sqlite()) == capture::SchemaHold::held;
    const auto guard = apply::look_at_guard(coordinator_.postgres(), coordinator_.place().migration,
                                            coordinator_.place().schema);
    const bool there = guard && guard->held;
    add({"hold", !here && !there,
         here && there ? "ddl hold, on both sides"
         : here        ? "ddl hold, on SQLite"
         : there       ? "ddl hold: the guard on PostgreSQL is open"
                       : "none",
         "no ddl hold", "lockstep ddl accept SOURCE TARGET"});
  }

  void schema() {
    const bool followed = schema_is_followed(coordinator_.place().path);
    add({"schema", followed, followed ? "as it is followed" : "changed, or triggers are missing",
         "", "lockstep ddl status SOURCE"});
  }

  void left_out() {
    const LeftOut out = left_out_of(coordinator_.place().path);
    std::string found =
        out.not_followed.empty() ? "none" : "not followed: " + listed(out.not_followed);
    if (!out.by_choice.empty()) found += "; not moved, by choice: " + listed(out.by_choice);
    add({"left out", out.not_followed.empty(), std::move(found), "none but by choice",
         "lockstep ddl status SOURCE says why; lockstep ddl accept SOURCE, or run --exclude, moves "
         "the writers without them"});
  }

  void tables() {
    Connection& target = coordinator_.postgres();
    const postgres::Result row = target.query(
        "WITH ours AS (SELECT c.oid, c.reltuples, c.relkind FROM lockstep.ledger_tables AS t JOIN "
        "pg_class AS c ON c.relname = t.name JOIN pg_namespace AS n ON n.oid = c.relnamespace AND "
        "n.nspname = $2 WHERE t.migration = $1) SELECT (SELECT count(*) FROM ours JOIN pg_index AS "
        "i ON i.indrelid = ours.oid WHERE NOT i.indisvalid), (SELECT count(*) FROM ours WHERE "
        "reltuples < 0 AND relkind = 'r'), (SELECT count(*) FROM ours WHERE NOT "
        "has_table_privilege(ours.oid, 'TRIGGER'))",
        {coordinator_.place().migration, coordinator_.place().schema});
    add({"indexes", row.integer(0, 0) == 0, fmt::format("{} invalid", row.integer(0, 0)), "none",
         "REINDEX, or drop what is invalid"});
    add({"statistics", row.integer(0, 1) == 0, fmt::format("{} tables without", row.integer(0, 1)),
         "none", "ANALYZE"});
    add(foreign_keys_gate(coordinator_));
    add(sequences_gate(coordinator_, plans()));
    add({"fence", row.integer(0, 2) == 0,
         fmt::format("{} tables where lockstep's role may make no trigger", row.integer(0, 2)),
         "none", "GRANT TRIGGER ON ... TO lockstep's role"});
  }

  void reverse_lag() {
    const std::int64_t at_us = number_in(status_, "reverse_caught_up_us");
    const std::int64_t age_ms = at_us == 0 ? -1 : (wall_now_us() - at_us) / 1'000;
    // What is published is up to a quarter of a second old.
    constexpr std::int64_t kPublished = 500;
    add({"lag", age_ms >= 0 && age_ms <= limits_.max_lag.count() + kPublished,
         age_ms < 0 ? "not caught up yet" : fmt::format("caught up {} ms ago", age_ms),
         fmt::format("at most {} ms", limits_.max_lag.count() + kPublished),
         "wait until it falls: lockstep status --watch SOURCE"});
  }

  void server() {
    const postgres::Result row = coordinator_.postgres().exec(
        "SELECT current_setting('max_connections')::bigint - "
        "current_setting('superuser_reserved_connections')::bigint - (SELECT count(*) FROM "
        "pg_stat_activity WHERE backend_type = 'client backend'), (SELECT count(*) FROM "
        "pg_stat_replication), (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN "
        "('sync', 'quorum'))");
    if (direction_ == Direction::forward)
      add({"connections", row.integer(0, 0) >= limits_.connections,
           fmt::format("{} free", row.integer(0, 0)),
           fmt::format("at least {}", limits_.connections), "raise max_connections"});
    // A standby that is promoted without the control row would not know who has the writers.
    const bool only_async = row.integer(0, 1) > 0 && row.integer(0, 2) == 0;
    if (row.integer(0, 1) > 0)
      add({"standbys", !only_async || limits_.accept_async_standby,
           fmt::format("{}, {} of them synchronous", row.integer(0, 1), row.integer(0, 2)),
           "a synchronous one",
           "set synchronous_standby_names; or --accept-async-standby: a failover in the moment of "
           "the switch can then lose it together with the newest commits, and has to be settled by "
           "hand"});
  }

  [[nodiscard]] bool tries_way_back() const {
    return limits_.try_way_back == TryWayBack::yes ||
           (limits_.try_way_back == TryWayBack::if_all_open && all_open(gates_));
  }

  // Last, and not while something else is shut that a person waits for: counting takes long, and
  // the probe writes, though nothing of it stays.
  void way_back() {
    if (!tries_way_back()) return;
    add(orphans_gate(coordinator_, limits_.accept_orphans));
    if (!tries_way_back()) return;
    constexpr Milliseconds kPatience{2'000};
    switchover::ReverseProbe probe;
    const char* todo =
        "mend what it says: after the cutover these tables could not be followed into SQLite";
    try {
      sqlite::Database writing = sqlite::Database::open(coordinator_.place().path,
                                                        sqlite::OpenMode::read_write, kPatience);
      probe = switchover::probe_reverse_path(coordinator_.postgres(), writing,
                                             coordinator_.place().migration,
                                             coordinator_.place().schema, plans());
    } catch (const Error& error) {
      if (!coordinator_.postgres().alive()) throw;
      probe.problems.emplace_back(error.what());
      if (error.code() == "LS-S309")
        todo = "nothing is wrong: SQLite was busy for 2 s; try again at a quieter moment";
    }
    add({"way back", probe.problems.empty(),
         probe.problems.empty()
             ? fmt::format("{} rows of {} tables went back", probe.rows, probe.tables)
             : fmt::format("{}", fmt::join(probe.problems, "; ")),
         "rows of every table can go back into SQLite", todo});
  }

  void own() {
    for (const UserGate& gate : limits_.own) {
      if (!gate.command.empty()) {
        const int code = run_program(gate.command, {});
        add({gate.name, code == 0, fmt::format("exit {}", code), "exit 0",
             gate.command.front() == "/bin/sh" ? gate.command.back()
                                               : fmt::format("{}", fmt::join(gate.command, " "))});
        continue;
      }
      const bool source = !gate.source_sql.empty();
      const char* wanted = gate.no_rows ? "no row" : "true";
      const std::string& sql = source ? gate.source_sql : gate.target_sql;
      try {
        const Answer answer = source ? ask_source(sql) : ask_target(sql);
        const bool open =
            gate.no_rows ? answer.rows == 0 : answer.rows == 1 && means_true(answer.first);
        add({gate.name, open,
             gate.no_rows || answer.rows != 1 ? fmt::format("{} rows", answer.rows)
                                              : printable(answer.first),
             wanted, sql});
      } catch (const Error& error) {
        if (!source && !coordinator_.postgres().alive()) throw;
        add({gate.name, false,
             error.foreign() == kReadOnly ? "it writes, and a gate may only read"
                                          : error.facts().why,
             wanted, sql});
      }
    }
  }

  struct Answer {
    std::int64_t rows = 0;
    std::string first;  // of the first row, as text
  };

  Answer ask_source(const std::string& sql) const {
    sqlite::Database database =
        sqlite::Database::open(coordinator_.place().path, sqlite::OpenMode::read_only);
    sqlite::Statement statement(database, sql);
    Answer answer;
    while (statement.step())
      if (answer.rows++ == 0 && statement.columns() > 0 && !statement.is_null(0))
        answer.first = statement.text(0);
    return answer;
  }

  Answer ask_target(const std::string& sql) {
    Connection& target = coordinator_.postgres();
    target.exec(fmt::format(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL search_path = {}, "
        "pg_catalog",
        postgres::quoted(coordinator_.place().schema)));
    try {
      const postgres::Result result = target.query(sql, {});
      Answer answer{result.rows(), {}};
      if (result.rows() > 0 && !result.is_null(0, 0)) answer.first = result.value(0, 0);
      target.abort();
      return answer;
    } catch (const Error&) {
      target.abort();
      throw;
    }
  }

  Coordinator& coordinator_;
  Direction direction_;
  const GateLimits& limits_;
  Observed observed_;
  json status_;
  std::vector<Gate> gates_;
};

}  // namespace

std::vector<Gate> look_at_gates(Coordinator& coordinator, Direction direction,
                                const GateLimits& limits) {
  return Gates(coordinator, direction, limits).all();
}

bool all_open(const std::vector<Gate>& gates) {
  return std::all_of(gates.begin(), gates.end(), passes);
}

bool passes(const Gate& gate) {
  return gate.open || gate.waived;
}

std::string gate_line(const Gate& gate) {
  return fmt::format("{:<6} {:<18} {}{}{}",
                     gate.open     ? "ok"
                     : gate.waived ? "WAIVED"
                                   : "SHUT",
                     gate.name, gate.found,
                     gate.wanted.empty() ? "" : fmt::format(" ({})", gate.wanted),
                     passes(gate) || gate.todo.empty() ? "" : fmt::format("   do: {}", gate.todo));
}

}  // namespace lockstep::ops
