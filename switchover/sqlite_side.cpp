#include "switchover/sqlite_side.hpp"

#include <fmt/format.h>

#include <map>

#include "capture/install.hpp"
#include "link/sqlite/own_objects.hpp"
#include "link/sqlite/shape.hpp"
#include "link/sqlite/statement.hpp"
#include "model/failpoint.hpp"
#include "switchover/fence_debt.hpp"
#include "switchover/fence_sql.hpp"
#include "switchover/reverse_schema.hpp"
#include "switchover/rowids.hpp"

namespace lockstep::switchover {

namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

bool has_row(Database& database) {
  return sqlite::has_own_table(database, kSwitchTable);
}

// What a power loss took back would be believed by the other side (D6): EXTRA, for FULL lets a hot
// journal come back in rollback-journal mode.
void be_durable(Database& database) {
  database.exec("PRAGMA synchronous=EXTRA");
}

// One compare-and-set as a transaction; true if it changed the row.
bool change(Database& database, const std::string& assignments, const std::string& condition) {
  constexpr Milliseconds kPatience{5'000};  // the budget was for the lock alone
  database.set_busy_patience(kPatience);
  be_durable(database);
  Transaction transaction(database, Transaction::Mode::immediate);
  database.exec(
      fmt::format("UPDATE {} SET {} WHERE one = 1 AND {}", kSwitchTable, assignments, condition));
  if (database.changes() == 0) return false;
  transaction.commit();
  return true;
}

std::string is_at(const ReversePosition& position) {
  return fmt::format("reverse_era = {} AND reverse_number = {} AND reverse_identity = {}",
                     sqlite::literal(position.era), position.number, position.identity);
}

struct Fenceable {
  std::vector<std::string> tables, virtual_tables;
};

// FTS and its like keep their rows in shadow tables, which only they themselves write to.
Fenceable fenceable(Database& database) {
  Fenceable found;
  for (const sqlite::TableName& table : sqlite::list_tables(database)) {
    if (table.kind == sqlite::TableKind::ordinary) found.tables.push_back(table.name);
    if (table.kind == sqlite::TableKind::virtual_table) found.virtual_tables.push_back(table.name);
  }
  return found;
}

// sqlite_master has no index, and this runs while writers wait: it is read once for all tables.
std::map<std::string, std::string> fence_triggers_there(Database& database) {
  std::map<std::string, std::string> there;
  Statement rows(database,
                 "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND name LIKE "
                 "'\\_lockstep\\_fence\\_%' ESCAPE '\\'");
  while (rows.step()) there[rows.text(0)] = rows.text(1);
  return there;
}

// True if something was missing.
bool put_triggers(Database& database, const std::vector<std::string>& tables,
                  const std::string& migration) {
  const auto there = fence_triggers_there(database);
  bool changed = false;
  for (const std::string& table : tables) {
    for (const FenceTrigger& trigger : sqlite_fence_triggers(table, migration)) {
      const auto found = there.find(trigger.name);
      if (found != there.end() && found->second == trigger.sql) continue;
      if (found != there.end()) database.exec("DROP TRIGGER " + sqlite::quoted(trigger.name));
      database.exec(trigger.sql);
      changed = true;
    }
  }
  return changed;
}

// As the replica, though the application writes to the other side: what it holds may be something
// else than the rounds brought.
bool is_altered(Database& database, const std::string& migration) {
  return !unfenced(database, migration).empty() || !schema_since(database).in_question.empty();
}

[[noreturn]] void throw_locked(const Error& error, Milliseconds patience,
                               std::string_view writers) {
  throw Error(
      {.code = "LS-X604",
       .exit = ExitCode::timed_out,
       .what =
           fmt::format("others kept SQLite locked for {} ms, the pause budget", patience.count()),
       .why = error.what(),
       .data = fmt::format("nothing changed: the application goes on writing to {}", writers),
       .todo = "try again at a quieter moment, or allow a longer pause: --max-pause 2s",
       .foreign = error.foreign()});
}

// The lock that C or F needs, so that they need not wait for it.
Transaction locked(Database& database, Transaction::Mode mode, Milliseconds patience,
                   std::string_view writers) {
  be_durable(database);
  database.set_busy_patience(patience);
  try {
    return Transaction(database, mode);
  } catch (const Error& error) {
    if (error.code() == "LS-S309") throw_locked(error, patience, writers);
    throw;
  }
}

std::optional<Position> commit_in(Database& database, Transaction& transaction,
                                  const std::string& migration, std::int64_t attempt,
                                  const ReversePosition& position,
                                  const std::vector<LeastSequence>& sequences,
                                  std::int64_t schema_version) {
  database.exec(fmt::format(
      "UPDATE {} SET decision = 'committed', role = 'primary' WHERE one = 1 AND decision = "
      "'pending' AND attempt = {} AND role = 'replica' AND {}",
      kSwitchTable, attempt, is_at(position)));
  if (database.changes() == 0) return std::nullopt;
  if (database.pragma_int("schema_version") != schema_version || is_altered(database, migration))
    return std::nullopt;
  for (const LeastSequence& least : sequences) {
    Statement raise(database, "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?");
    raise.bind(1, least.value).bind(2, std::string_view(least.table)).run();
    if (database.changes() > 0) continue;
    Statement enter(database, "INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)");
    enter.bind(1, std::string_view(least.table)).bind(2, least.value).run();
  }
  const Position first = capture::begin_era(database);
  transaction.commit();
  return first;
}

}  // namespace

Side read_sqlite_side(Database& database) {
  Side side;
  if (!has_row(database)) return side;
  Statement row(database, fmt::format("SELECT role, fence, attempt, decision FROM {} WHERE one = 1",
                                      kSwitchTable));
  if (!row.step()) return side;
  const auto role = parse_role(row.text(0));
  const auto decision = parse_decision(row.text(3));
  if (role && decision) return {*role, row.integer(1), row.integer(2), *decision};
  throw Error({.code = "LS-X623",
               .exit = ExitCode::stopped,
               .what = fmt::format("{} says role {} and decision {}", kSwitchTable, row.text(0),
                                   row.text(3)),
               .why = "no lockstep writes these; somebody edited the row",
               .data = "nothing is done by it",
               .todo = "put back what was there: primary, fenced or replica; none, pending, "
                       "committed or aborted"});
}

std::optional<ReversePosition> read_reverse_position(Database& database) {
  if (!has_row(database)) return std::nullopt;
  Statement row(database,
                fmt::format("SELECT reverse_era, reverse_number, reverse_identity FROM {} WHERE "
                            "one = 1 AND reverse_era IS NOT NULL",
                            kSwitchTable));
  if (!row.step()) return std::nullopt;
  return ReversePosition{row.text(0), row.integer(1), row.integer(2)};
}

bool follows_at(sqlite::Database& database, const ReversePosition& position,
                const std::vector<TablePlan>& plans) {
  return read_sqlite_side(database).role == Role::replica &&
         read_reverse_position(database) == position && renumbered_tables(database, plans).empty();
}

std::vector<std::string> install_fence(Database& database, const std::string& migration,
                                       const std::function<void()>& was_open,
                                       std::int64_t owed_at) {
  be_durable(database);
  Transaction transaction(database, Transaction::Mode::immediate);
  bool changed = !has_row(database);
  if (changed)
    for (const std::string& sql : sqlite_switch_sql()) database.exec(sql);
  // Under the write lock: nobody writes past the fence between this and what makes it whole.
  const Role role = read_sqlite_side(database).role;
  const bool altered = role != Role::primary && is_altered(database, migration);
  const bool tells = was_open && role == Role::replica;
  const bool settled = !altered || tells || database.pragma_int("schema_version") == owed_at;
  if (altered && tells) was_open();
  const Fenceable found = fenceable(database);
  if (put_triggers(database, found.tables, migration)) changed = true;
  if (settled && record_schema(database)) changed = true;
  if (changed) transaction.commit();
  LOCKSTEP_FAILPOINT("cut.fence_installed");
  return found.virtual_tables;
}

std::vector<std::string> unfenced(Database& database, const std::string& migration) {
  const auto there = fence_triggers_there(database);
  std::vector<std::string> names;
  for (const std::string& table : fenceable(database).tables)
    for (const FenceTrigger& trigger : sqlite_fence_triggers(table, migration)) {
      const auto found = there.find(trigger.name);
      if (found != there.end() && found->second == trigger.sql) continue;
      names.push_back(table);
      break;
    }
  return names;
}

WriteLock::WriteLock(Database& database, Milliseconds patience)
    : database_(database),
      transaction_(locked(database, Transaction::Mode::immediate, patience, "SQLite")) {}

bool WriteLock::fence(std::int64_t attempt, const std::string& migration, Milliseconds patience) {
  // A table that was rebuilt, or made, since step 0.
  put_triggers(database_, fenceable(database_).tables, migration);
  database_.exec(
      fmt::format("UPDATE {0} SET fence = {1}, role = 'fenced' WHERE one = 1 AND role <> 'replica' "
                  "AND (fence < {1} OR (fence = {1} AND role = 'fenced'))",
                  kSwitchTable, attempt));
  if (database_.changes() == 0) return false;
  record_rowids(database_);
  record_schema(database_);
  database_.set_busy_patience(patience);
  try {
    transaction_.commit();
  } catch (const Error& error) {
    if (error.code() == "LS-S309") throw_locked(error, patience, "SQLite");
    throw;
  }
  return true;
}

bool hand_over_sqlite(Database& database, std::int64_t attempt, const ReversePosition& base) {
  return change(database,
                fmt::format("role = 'replica', reverse_era = {}, reverse_number = {}, "
                            "reverse_identity = {}, reverse_snapshot = NULL, reverse_target = NULL",
                            sqlite::literal(base.era), base.number, base.identity),
                fmt::format("role = 'fenced' AND fence = {}", attempt));
}

bool unfence_sqlite(Database& database, std::int64_t attempt) {
  return change(database, fmt::format("fence = {}, role = 'primary'", attempt),
                fmt::format("role <> 'replica' AND fence <= {}", attempt));
}

bool prepare_sqlite(Database& database, std::int64_t attempt) {
  return change(
      database, fmt::format("attempt = {}, decision = 'pending'", attempt),
      fmt::format("role = 'replica' AND decision <> 'pending' AND attempt < {}", attempt));
}

RollbackCommit::RollbackCommit(Database& database, Milliseconds patience)
    : database_(database),
      transaction_(locked(database, Transaction::Mode::exclusive, patience, "PostgreSQL")) {}

std::optional<Position> RollbackCommit::commit(const std::string& migration, std::int64_t attempt,
                                               const ReversePosition& position,
                                               const std::vector<LeastSequence>& sequences,
                                               std::int64_t schema_version) {
  return commit_in(database_, transaction_, migration, attempt, position, sequences,
                   schema_version);
}

std::optional<Position> commit_sqlite(Database& database, const std::string& migration,
                                      std::int64_t attempt, const ReversePosition& position,
                                      const std::vector<LeastSequence>& sequences,
                                      std::int64_t schema_version) {
  be_durable(database);
  Transaction transaction(database, Transaction::Mode::immediate);
  return commit_in(database, transaction, migration, attempt, position, sequences, schema_version);
}

bool abort_sqlite(Database& database, std::int64_t attempt) {
  if (change(database, "decision = 'aborted'",
             fmt::format("attempt = {} AND decision = 'pending'", attempt)))
    return true;
  const Side side = read_sqlite_side(database);
  return side.attempt == attempt && side.decision == Decision::aborted;
}

RefusedWrites read_refused_writes(Database& database) {
  if (!has_row(database)) return {};
  Statement row(database,
                fmt::format("SELECT writes, coalesce(newest, '') FROM {}", kRefusedTable));
  if (!row.step()) return {};
  return {row.integer(0), row.text(1)};
}

}  // namespace lockstep::switchover
