#include "apply/foreign_key_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "link/postgres/names.hpp"
#include "model/failpoint.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;
using Names = std::set<std::pair<std::string, std::string>>;  // of table and constraint

constexpr char kOrphans[] = "23503";  // foreign_key_violation
constexpr char kIsThere[] = "42710";  // duplicate_object: a call before this one made it
constexpr char kNoColumn[] = "42703";
constexpr char kNoTable[] = "42P01";

std::string add_sql(const ForeignKeySql& key) {
  return fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", key.table, postgres::quoted(key.name),
                     key.definition);
}

bool ledger_is_there(Connection& connection) {
  return connection.exec("SELECT to_regclass('lockstep.ledger_foreign_keys') IS NOT NULL")
      .boolean(0, 0);
}

Names waiting(Connection& connection, const std::string& migration) {
  Names names;
  if (!ledger_is_there(connection)) return names;
  const Result rows = connection.query(
      "SELECT relation, name FROM lockstep.ledger_foreign_keys WHERE migration = $1", {migration});
  for (int row = 0; row < rows.rows(); ++row)
    names.emplace(std::string(rows.value(row, 0)), std::string(rows.value(row, 1)));
  return names;
}

// Those of the schema, and whether they are valid.
std::map<std::pair<std::string, std::string>, bool> present(Connection& connection,
                                                            const std::string& schema) {
  std::map<std::pair<std::string, std::string>, bool> found;
  const Result rows = connection.query(
      "SELECT c.relname, f.conname, f.convalidated FROM pg_catalog.pg_constraint AS f JOIN "
      "pg_catalog.pg_class AS c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = "
      "c.relnamespace WHERE n.nspname = $1 AND f.contype = 'f' AND f.conparentid = 0",
      {schema});
  for (int row = 0; row < rows.rows(); ++row)
    found.emplace(
        std::pair(postgres::qualified(schema, rows.value(row, 0)), std::string(rows.value(row, 1))),
        rows.boolean(row, 2));
  return found;
}

void commit(Connection& connection) {
  if (connection.commit() == postgres::CommitOutcome::committed) return;
  throw Error({.code = "LS-T212",
               .exit = ExitCode::unreachable,
               .what = "foreign keys may or may not be on the target",
               .why = "the connection ended while the commit was on its way",
               .data = "safe: the ledger says which still wait, and is read before going on",
               .todo = "nothing; lockstep connects again by itself",
               .retry = Retry::new_session});
}

// What SQLite's schema says and this server refuses; anything else is no answer to it.
bool is_refusal(const std::string& sqlstate) {
  return sqlstate.starts_with("42") || sqlstate.starts_with("0A");
}

// Empty: it did. What failed is undone.
std::string attempt(Connection& connection, const std::string& sql, std::string& why) {
  connection.exec("SAVEPOINT lockstep_foreign_key");
  try {
    connection.exec(sql);
  } catch (const Error& error) {
    if (error.foreign() != kOrphans && !is_refusal(error.foreign())) throw;
    why = error.facts().why;
    std::string sqlstate = error.foreign();
    connection.exec("ROLLBACK TO SAVEPOINT lockstep_foreign_key");
    return sqlstate;
  }
  return {};
}

std::string make(Connection& connection, const ForeignKeySql& key) {
  std::string why;
  std::string sqlstate = attempt(connection, add_sql(key), why);
  if (sqlstate.empty() || sqlstate == kIsThere) return {};
  if (sqlstate == kOrphans) {
    sqlstate = attempt(connection, key.add, why);
    if (sqlstate.empty()) {
      const Result orphans = connection.exec(key.orphans);
      return fmt::format("foreign key {} of {} is NOT VALID: {} rows have no parent: {} = {}",
                         key.name, key.table, orphans.integer(0, 0), key.shown,
                         orphans.value(0, 1));
    }
  }
  if (sqlstate == kNoColumn || sqlstate == kNoTable) return {};  // altered on the target: LS-T214
  return fmt::format("foreign key {} of {} could not be made: {}; it is {}", key.name, key.table,
                     why, key.definition);
}

}  // namespace

void ensure_foreign_key_ledger(Connection& connection) {
  connection.exec(
      "CREATE TABLE IF NOT EXISTS lockstep.ledger_foreign_keys (migration text NOT NULL REFERENCES "
      "lockstep.ledger ON DELETE CASCADE, relation text NOT NULL, name text NOT NULL, definition "
      "text NOT NULL, PRIMARY KEY (migration, relation, name))");
}

void enter_foreign_keys(Connection& connection, const std::string& migration,
                        const std::vector<ForeignKeySql>& keys) {
  if (keys.empty()) return;
  ensure_foreign_key_ledger(connection);
  for (const ForeignKeySql& key : keys)
    connection.query(
        "INSERT INTO lockstep.ledger_foreign_keys (migration, relation, name, definition) VALUES "
        "($1, $2, $3, $4) ON CONFLICT (migration, relation, name) DO UPDATE SET definition = "
        "EXCLUDED.definition",
        {migration, key.table, key.name, key.definition});
}

void forget_foreign_keys(Connection& connection, const std::string& migration,
                         const std::vector<ForeignKeySql>& keys) {
  if (keys.empty() || !ledger_is_there(connection)) return;
  for (const ForeignKeySql& key : keys)
    connection.query(
        "DELETE FROM lockstep.ledger_foreign_keys WHERE migration = $1 AND relation = $2 AND name "
        "= $3",
        {migration, key.table, key.name});
}

std::vector<std::string> make_foreign_keys(Connection& connection, const std::string& migration,
                                           const std::vector<ForeignKeySql>& keys) {
  std::vector<std::string> told;
  if (keys.empty()) return told;
  const Names wait = waiting(connection, migration);
  for (const ForeignKeySql& key : keys) {
    if (!wait.contains({key.table, key.name})) continue;
    connection.exec("BEGIN");
    try {
      std::string sentence = make(connection, key);
      forget_foreign_keys(connection, migration, {key});
      LOCKSTEP_FAILPOINT("snap.reference_made");
      commit(connection);
      if (!sentence.empty()) told.push_back(std::move(sentence));
    } catch (...) {
      connection.abort();
      throw;
    }
  }
  return told;
}

std::size_t set_foreign_keys_aside(Connection& connection, const std::string& migration,
                                   const std::string& schema,
                                   const std::vector<ForeignKeySql>& keys) {
  if (keys.empty()) return 0;
  const auto there = present(connection, schema);
  std::vector<ForeignKeySql> dropped;
  std::copy_if(keys.begin(), keys.end(), std::back_inserter(dropped),
               [&](const ForeignKeySql& key) {
                 return there.contains({key.table, key.name});
               });
  if (dropped.empty()) return 0;
  connection.exec("BEGIN");
  try {
    enter_foreign_keys(connection, migration, dropped);
    for (const ForeignKeySql& key : dropped) connection.exec(drop_sql(key));
    commit(connection);
  } catch (...) {
    connection.abort();
    throw;
  }
  return dropped.size();
}

std::vector<std::string> foreign_keys_differ(Connection& connection, const std::string& migration,
                                             const std::string& schema,
                                             const std::vector<ForeignKeySql>& keys) {
  std::vector<std::string> found;
  if (keys.empty()) return found;
  const Names wait = waiting(connection, migration);
  const auto there = present(connection, schema);
  for (const ForeignKeySql& key : keys) {
    const auto seen = there.find({key.table, key.name});
    const std::string of = fmt::format("foreign key {} of {}", key.name, key.table);
    if (wait.contains({key.table, key.name}))
      found.push_back(of + " waits in lockstep's ledger: lockstep remove SOURCE TARGET makes it");
    else if (seen == there.end())
      found.push_back(of + " is not there");
    else if (!seen->second)
      found.push_back(of + " is NOT VALID: rows had no parent when it was made");
  }
  return found;
}

}  // namespace lockstep::apply
