#include "apply/plan_change.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apply/defaults.hpp"
#include "apply/existing.hpp"
#include "apply/foreign_key_ledger.hpp"
#include "apply/index_change.hpp"
#include "apply/target_schema.hpp"
#include "link/postgres/names.hpp"
#include "link/wire/control.hpp"

namespace lockstep::apply {

namespace {

using postgres::qualified;

bool not_null(const TablePlan& plan, std::size_t column) {
  return plan.shape.columns[column].not_null || plan.is_key(column);
}

// Any value, for the moment until the batch has written the true ones: the table is read anew.
std::string_view filler(ColumnType type) {
  switch (type) {
    case ColumnType::bigint:
    case ColumnType::double_precision:
    case ColumnType::numeric:
      return "0";
    case ColumnType::boolean:
      return "false";
    case ColumnType::date:
    case ColumnType::timestamp:
    case ColumnType::timestamptz:
    case ColumnType::timestamp_ms:
      return "'2000-01-01'";
    case ColumnType::uuid:
      return "'00000000-0000-0000-0000-000000000000'";
    case ColumnType::json:
      return "'null'";
    case ColumnType::text:
    case ColumnType::bytea:
      return "''";
  }
  return "''";
}

void change_columns(const std::string& schema, const TablePlan& before, const TablePlan& now,
                    PlanChange& change) {
  const std::string table = qualified(schema, now.target_name());
  const std::string alter = fmt::format("ALTER TABLE {} ", table);
  // Before the columns go that it is computed of. A plan never makes a plain column a computed one.
  for (std::size_t i = 0; i < before.shape.columns.size(); ++i)
    if (const auto still = now.shape.column_named(before.shape.columns[i].name);
        still && !before.shape.columns[i].computed_as.empty() &&
        now.shape.columns[*still].computed_as.empty())
      change.before.push_back(fmt::format("{}ALTER COLUMN {} DROP EXPRESSION", alter,
                                          postgres::quoted(before.target_column(i))));
  for (std::size_t i = 0; i < before.shape.columns.size(); ++i)
    if (!now.shape.column_named(before.shape.columns[i].name))
      change.before.push_back(
          fmt::format("{}DROP COLUMN {}", alter, postgres::quoted(before.target_column(i))));
  for (std::size_t i = 0; i < now.shape.columns.size(); ++i) {
    const std::string name = postgres::quoted(now.target_column(i));
    const auto was = before.shape.column_named(now.shape.columns[i].name);
    if (!was) {
      std::string add = fmt::format("{}ADD COLUMN {} {}", alter, name, to_string(now.types[i]));
      // What rows have that the batch does not bring: capture may rest on it (ops/added_columns).
      const Translation given = translate_default(now, i);
      if (!given.sql.empty()) {
        add += fmt::format("{} DEFAULT {}", not_null(now, i) ? " NOT NULL" : "", given.sql);
        change.before.push_back(std::move(add));
        continue;
      }
      if (not_null(now, i)) add += fmt::format(" NOT NULL DEFAULT {}", filler(now.types[i]));
      change.before.push_back(std::move(add));
      if (not_null(now, i))
        change.before.push_back(fmt::format("{}ALTER COLUMN {} DROP DEFAULT", alter, name));
      continue;
    }
    const std::string given = default_sql(now, i);
    if (before.types[*was] != now.types[i]) {
      check(now.types[i] == ColumnType::text, "a column keeps its type, or becomes text");
      change.to_text.push_back({table, now.target_column(i), given});
    } else if (default_sql(before, *was) != given) {
      change.before.push_back(fmt::format("{}ALTER COLUMN {} {}", alter, name,
                                          given.empty() ? "DROP DEFAULT" : "SET DEFAULT " + given));
    }
    if (not_null(before, *was) && !not_null(now, i)) {
      change.before.push_back(fmt::format("{}ALTER COLUMN {} DROP NOT NULL", alter, name));
    } else if (!not_null(before, *was) && not_null(now, i)) {
      if (!change.keyed)
        change.before.push_back(fmt::format("UPDATE {0} SET {1} = {2} WHERE {1} IS NULL", table,
                                            name, filler(now.types[i])));
      (change.keyed ? change.after : change.before)
          .push_back(fmt::format("{}ALTER COLUMN {} SET NOT NULL", alter, name));
    }
  }
}

void change_checks(const std::string& schema, const KeyStatements& before, const KeyStatements& now,
                   const TablePlan& plan, PlanChange& change) {
  CheckChange checks{plan.name(), qualified(schema, plan.target_name()),
                     checks_only_in(before.checks, now.checks),
                     checks_only_in(now.checks, before.checks)};
  if (!checks.gone.empty() || !checks.come.empty()) change.checks.push_back(std::move(checks));
}

// A table that an ORM made is its to alter, and was: ops planned it as it is there now. Before the
// copy is consistent its rows wait beside it, in a table that has to hold those of the new plan;
// what waits there already comes again, for the table is read anew.
void make_place(const std::string& schema, const TablePlan& plan, PlanChange& change) {
  change.before.push_back("DROP TABLE IF EXISTS " + postgres::copy_table(schema, plan.id));
  change.before.push_back(create_copy_sql(schema, plan));
}

void add_table(const std::string& schema, const TablePlan& plan,
               const std::vector<TablePlan>& plans, bool keyed, PlanChange& change) {
  change.added.push_back(plan);
  // The server's own comes only after dozens of rows, and a cutover waits for it.
  if (keyed) change.after.push_back("ANALYZE " + qualified(schema, plan.target_name()));
  if (plan.existing) {
    if (!keyed) make_place(schema, plan, change);
    return;
  }
  change.before.push_back(create_table_sql(schema, plan, plans));
  for (std::string& comment : comments_sql(schema, plan))
    change.before.push_back(std::move(comment));
  if (!keyed) return;
  const KeyStatements keys = key_statements(schema, plan, plans);
  for (const IndexStatement& index : keys.indexes) change.before.push_back(index.sql);
  for (const std::string& constraint : keys.constraints) change.before.push_back(constraint);
  change_checks(schema, {}, keys, plan, change);
  if (std::string sequence = sequence_sql(schema, plan); !sequence.empty())
    change.after.push_back(std::move(sequence));
}

// What is followed from now on, under the names that it gets.
std::set<std::string> names_of(const std::vector<TablePlan>& plans) {
  std::set<std::string> names;
  for (const TablePlan& plan : plans) {
    names.insert(plan.target_name());
    names.insert(plan.carried_indexes.begin(), plan.carried_indexes.end());
  }
  return names;
}

// A foreign key stands in the way of altering either side: of changed tables all are made anew.
void change_foreign_keys(const std::string& schema, const std::vector<TablePlan>& before,
                         const std::vector<TablePlan>& now, PlanChange& change) {
  std::set<std::uint32_t> touched(change.forgotten.begin(), change.forgotten.end());
  for (const auto* plans : {&change.plans, &change.added})
    for (const TablePlan& plan : *plans) touched.insert(plan.id);
  const auto concerned = [&](std::vector<ForeignKeySql> keys) {
    std::erase_if(keys, [&](const ForeignKeySql& key) {
      return !touched.contains(key.child) && !touched.contains(key.parent);
    });
    return keys;
  };
  change.unmade = concerned(own_foreign_keys(schema, before));
  change.wanted = concerned(own_foreign_keys(schema, now));
}

}  // namespace

PlanChange plan_change(const std::string& schema, const std::vector<LedgerTable>& before,
                       const std::vector<TablePlan>& now, bool keyed) {
  PlanChange change;
  change.keyed = keyed;
  if (now.empty()) return change;
  const std::vector<TablePlan> plans_before = plans_of(before);
  for (const TablePlan& plan : plans_before) {
    if (std::any_of(now.begin(), now.end(),
                    [&](const TablePlan& each) { return each.id == plan.id; }))
      continue;
    change.forgotten.push_back(plan.id);
    if (!keyed) continue;
    for (FreedName& freed : names_to_free(schema, plan, plans_before))
      change.freed.push_back(std::move(freed));
  }
  if (!change.freed.empty()) change.names = names_of(now);
  for (const TablePlan& plan : now) {
    const auto was = std::find_if(plans_before.begin(), plans_before.end(),
                                  [&](const TablePlan& each) { return each.id == plan.id; });
    if (was == plans_before.end()) {
      add_table(schema, plan, now, keyed, change);
      continue;
    }
    if (wire::encode_plan(*was) == wire::encode_plan(plan)) continue;
    change.plans.push_back(plan);
    if (plan.existing) {
      if (!keyed && create_copy_sql(schema, *was) != create_copy_sql(schema, plan))
        make_place(schema, plan, change);
      continue;
    }
    if (!keyed) {
      change_columns(schema, *was, plan, change);
      continue;
    }
    const KeyStatements old = key_statements(schema, *was, plans_before);
    const KeyStatements keys = key_statements(schema, plan, now);
    // A column that goes takes its constraints along: they go before it, by their names.
    change_indexes(schema, old, keys, plan, change);
    change_columns(schema, *was, plan, change);
    change_checks(schema, old, keys, plan, change);
  }
  if (keyed) change_foreign_keys(schema, plans_before, now, change);
  return change;
}

namespace {

// What the column was compared with it no longer is. Indexes whose meaning changes are gone by now,
// the others are made anew by the server.
void make_text(postgres::Connection& connection, const TextColumn& each, std::vector<Told>& told) {
  const postgres::Result checks = connection.query(
      "SELECT c.conname, pg_catalog.pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint AS c "
      "JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) "
      "WHERE c.contype = 'c' AND c.conrelid = pg_catalog.to_regclass($1) AND a.attname = $2",
      {each.table, each.column});
  for (int row = 0; row < checks.rows(); ++row) {
    const std::string name(checks.value(row, 0));
    connection.exec(
        fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", each.table, postgres::quoted(name)));
    told.push_back({"LS-D421", "",
                    fmt::format("constraint {} of {} was dropped, for column {} is text now: {}",
                                name, each.table, each.column, checks.value(row, 1))});
  }
  const std::string alter =
      fmt::format("ALTER TABLE {} ALTER COLUMN {} ", each.table, postgres::quoted(each.column));
  connection.exec(alter + "DROP DEFAULT");
  connection.exec(fmt::format("{}TYPE text USING {}::text", alter, postgres::quoted(each.column)));
  if (!each.default_sql.empty()) connection.exec(alter + "SET DEFAULT " + each.default_sql);
}

}  // namespace

namespace {

// Two indexes may change names with each other, of one table or of two: what is renamed is out of
// the way until what is dropped is gone.
void run_before(postgres::Connection& connection, const PlanChange& change) {
  const auto meanwhile = [](std::size_t i) { return fmt::format("_lockstep_renamed_{}", i); };
  const auto rename = [&](const RenamedIndex& each, const std::string& from,
                          const std::string& to) {
    connection.exec(fmt::format("ALTER INDEX IF EXISTS {} RENAME TO {}",
                                qualified(each.schema, from), postgres::quoted(to)));
  };
  for (std::size_t i = 0; i < change.renamed.size(); ++i)
    rename(change.renamed[i], change.renamed[i].from, meanwhile(i));
  for (const std::string& sql : change.before) connection.exec(sql);
  for (std::size_t i = 0; i < change.renamed.size(); ++i)
    rename(change.renamed[i], meanwhile(i), change.renamed[i].to);
}

}  // namespace

std::vector<Told> begin_plan_change(postgres::Connection& connection, const PlanChange& change) {
  std::vector<Told> told;
  std::vector<std::string> drops;
  for (const CheckChange& each : change.checks)
    for (const std::string& name : names_of_checks(connection, each.table, each.gone))
      drops.push_back(fmt::format("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", each.table,
                                  postgres::quoted(name)));
  for (const ForeignKeySql& key : change.unmade) connection.exec(drop_sql(key));
  for (const FreedName& each : change.freed)
    if (const std::string name = free_name(connection, each, change.names); !name.empty())
      told.push_back({"LS-S316", each.table,
                      fmt::format("{} is no longer followed and stays on the target; its index {} "
                                  "is called {} there now, so that the name is free",
                                  each.table, each.was, name)});
  run_before(connection, change);
  for (const TextColumn& each : change.to_text) make_text(connection, each, told);
  // Some went with their columns.
  for (const std::string& sql : drops) connection.exec(sql);
  return told;
}

void end_plan_change(postgres::Connection& connection, const std::string& migration,
                     const PlanChange& change, std::vector<Told>& told) {
  for (const std::string& sql : change.after) connection.exec(sql);
  for (const CheckChange& each : change.checks)
    for (const CheckSql& come : each.come)
      if (!add_check(connection, each.table, come))
        told.push_back(broken_check(each.name, each.table, come));
  forget_foreign_keys(connection, migration, change.unmade);
  enter_foreign_keys(connection, migration, change.wanted);
  for (const TablePlan& plan : change.plans)
    connection.query(
        "UPDATE lockstep.ledger_tables SET name = $3, plan = $4 WHERE migration = $1 AND id = "
        "$2::integer",
        {migration, std::to_string(plan.id), plan.target_name(), wire::encode_plan(plan)});
  for (const TablePlan& plan : change.added) {
    connection.query(
        "INSERT INTO lockstep.ledger_tables (migration, id, name, plan, indexed) VALUES ($1, "
        "$2::integer, $3, $4, $5::boolean)",
        {migration, std::to_string(plan.id), plan.target_name(), wire::encode_plan(plan),
         std::string(change.keyed ? "true" : "false")});
    connection.query(
        "INSERT INTO lockstep.ledger_parts (migration, id, part, copied) VALUES ($1, $2::integer, "
        "0, true)",
        {migration, std::to_string(plan.id)});
  }
  for (const std::uint32_t id : change.forgotten)
    for (const char* table :
         {"lockstep.quarantine", "lockstep.ledger_parts", "lockstep.ledger_tables"})
      connection.query(
          fmt::format("DELETE FROM {} WHERE migration = $1 AND id = $2::integer", table),
          {migration, std::to_string(id)});
}

void change_plans(postgres::Connection& connection, const std::string& migration,
                  const std::string& schema, const PlanChange& change, bool silent) {
  check(!change.keyed, "what has keys changes together with a batch");
  connection.exec("BEGIN");
  // Nothing is told of: CHECKs come with the keys.
  std::vector<Told> told = begin_plan_change(connection, change);
  if (!silent)
    for (const auto* plans : {&change.plans, &change.added})
      make_way_for_changed(connection, migration, schema, *plans);
  end_plan_change(connection, migration, change, told);
  if (connection.commit() == postgres::CommitOutcome::committed) return;
  throw Error({.code = "LS-T212",
               .exit = ExitCode::unreachable,
               .what = "a change of the schema may or may not be recorded on the target",
               .why = "the connection ended while the commit was on its way, or it was refused",
               .data = "safe: the ledger is read again before anything else is done",
               .todo = "nothing; lockstep connects again by itself",
               .retry = Retry::new_session});
}

}  // namespace lockstep::apply
