#include "ops/gates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/progress.hpp"
#include "ops/switch_hooks.hpp"
#include "switchover/fence_sql.hpp"
#include "verify/record.hpp"

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

std::string age_text(Milliseconds age) {
  constexpr std::int64_t kSecond = 1'000, kMinute = 60 * kSecond;
  return age.count() < 2 * kMinute ? fmt::format("{} s ago", age.count() / kSecond)
                                   : fmt::format("{} min ago", age.count() / kMinute);
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
      lag();
      verified();
      rows_aside();
      schema();
      tables();
    } else {
      reverse_lag();
      long_writers();
    }
    server();
    own();
    return std::move(gates_);
  }

 private:
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
         phase, "lockstep run SOURCE TARGET"});
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
    add({"backlog", backlog <= limits_.max_backlog, fmt::format("{} changes", grouped(backlog)),
         fmt::format("at most {}", grouped(limits_.max_backlog)),
         "wait until it falls: lockstep status --watch SOURCE"});
  }

  void verified() {
    if (limits_.verify_max_age.count() == 0) return;
    std::string found = "never compared";
    bool clean = false;
    const auto last = verify::last_result(coordinator_.postgres(), coordinator_.place().migration);
    if (last) {
      clean = last->state == verify::PassState::equal && last->all &&
              last->age <= limits_.verify_max_age;
      found = fmt::format("{}{}, {}", verify::to_string(last->state),
                          last->all ? "" : " (chosen tables only)", age_text(last->age));
    }
    add({"compared", clean, found,
         fmt::format("equal, at most {} min ago", limits_.verify_max_age.count() / 60'000),
         "lockstep verify SOURCE TARGET"});
  }

  void rows_aside() {
    const std::int64_t held = number_in(status_, "quarantined");
    add({"quarantine", held == 0, fmt::format("{} rows", held), "none",
         "lockstep quarantine list SOURCE"});
    const json guard = status_.value("guard", json());
    const std::int64_t foreign = guard.is_object() ? number_in(guard, "foreign_writes") : 0;
    add({"foreign writes", foreign == 0, fmt::format("{} statements", foreign), "none",
         "stop who writes to PostgreSQL already, then lockstep verify --repair SOURCE TARGET"});
  }

  void schema() {
    const bool followed = schema_is_followed(coordinator_.place().path);
    add({"schema", followed, followed ? "as it is followed" : "changed, or triggers are missing",
         "", "lockstep ddl status SOURCE"});
  }

  void tables() {
    Connection& target = coordinator_.postgres();
    const postgres::Result row = target.query(
        "WITH ours AS (SELECT c.oid, c.reltuples, c.relkind FROM lockstep.ledger_tables AS t JOIN "
        "pg_class AS c ON c.relname = t.name JOIN pg_namespace AS n ON n.oid = c.relnamespace AND "
        "n.nspname = $2 WHERE t.migration = $1) SELECT (SELECT count(*) FROM ours JOIN pg_index AS "
        "i ON i.indrelid = ours.oid WHERE NOT i.indisvalid), (SELECT count(*) FROM ours WHERE "
        "reltuples < 0 AND relkind = 'r'), (SELECT count(*) FROM ours JOIN pg_constraint AS k ON "
        "k.conrelid = ours.oid AND k.contype = 'f' AND NOT k.convalidated), (SELECT count(*) FROM "
        "ours WHERE NOT has_table_privilege(ours.oid, 'TRIGGER'))",
        {coordinator_.place().migration, coordinator_.place().schema});
    add({"indexes", row.integer(0, 0) == 0, fmt::format("{} invalid", row.integer(0, 0)), "none",
         "REINDEX, or drop what is invalid"});
    add({"statistics", row.integer(0, 1) == 0, fmt::format("{} tables without", row.integer(0, 1)),
         "none", "ANALYZE"});
    add({"foreign keys", true,
         fmt::format("{} not valid (rows without a parent)", row.integer(0, 2)), "", ""});
    add({"fence", row.integer(0, 3) == 0,
         fmt::format("{} tables where lockstep's role may make no trigger", row.integer(0, 3)),
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

  void long_writers() {
    const auto tenth = limits_.max_pause.count() / 10;
    const postgres::Result rows = coordinator_.postgres().exec(fmt::format(
        "SELECT count(*) FROM (SELECT a.xact_start FROM pg_locks AS l JOIN pg_stat_activity AS a "
        "USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND "
        "(l.classid::bigint << 32 | l.objid::bigint) = {} UNION ALL SELECT prepared FROM "
        "pg_prepared_xacts WHERE database = current_database()) AS w WHERE w.xact_start < "
        "clock_timestamp() - interval '1 ms' * {}",
        switchover::fence_lock(coordinator_.place().migration), tenth));
    add({"long transactions", rows.integer(0, 0) == 0,
         fmt::format("{} that have written", rows.integer(0, 0)),
         fmt::format("none older than {} ms", tenth), "end them: SELECT * FROM pg_stat_activity"});
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

  void own() {
    for (const UserGate& gate : limits_.own) {
      if (!gate.command.empty()) {
        const int code = run_shell(gate.command, {});
        add({gate.name, code == 0, fmt::format("exit {}", code), "exit 0", gate.command});
        continue;
      }
      Connection& target = coordinator_.postgres();
      target.exec("BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'");
      try {
        const int rows = target.exec(gate.sql).rows();
        add({gate.name, rows == 0, fmt::format("{} rows", rows), "no row", gate.sql});
      } catch (const Error& error) {
        add({gate.name, false, error.facts().why, "no row", gate.sql});
      }
      target.abort();
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
  return std::all_of(gates.begin(), gates.end(), [](const Gate& gate) { return gate.open; });
}

std::string gate_line(const Gate& gate) {
  return fmt::format("{:<6} {:<18} {}{}{}", gate.open ? "ok" : "SHUT", gate.name, gate.found,
                     gate.wanted.empty() ? "" : fmt::format(" ({})", gate.wanted),
                     gate.open || gate.todo.empty() ? "" : fmt::format("   do: {}", gate.todo));
}

}  // namespace lockstep::ops
