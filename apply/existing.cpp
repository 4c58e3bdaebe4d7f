#include "apply/existing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apply/foreign_key_ledger.hpp"
#include "apply/merge.hpp"
#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::copy_table;
using postgres::qualified;
using postgres::Result;
using Json = nlohmann::json;

// One relation a row, all of it as one JSON object: names can be anything. A column folds if its
// collation takes different texts for one, or that of a unique index beside another over the same
// columns: ON CONFLICT knows them by their columns.
constexpr char kCatalog[] = R"(
SELECT c.relname, pg_catalog.json_build_object(
  'kind', c.relkind::text, 'unlogged', c.relpersistence = 'u',
  'has_children', EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid),
  'row_security', CASE WHEN c.relkind IN ('r', 'p') THEN pg_catalog.row_security_active(c.oid)
                  ELSE false END,
  'owned', pg_catalog.pg_has_role(c.relowner, 'USAGE'),
  'writable', c.relkind IN ('r', 'p') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
    AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')
    AND pg_catalog.has_table_privilege(c.oid, 'DELETE'),
  'columns', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname,
      'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
      'labels', (SELECT coalesce(pg_catalog.json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
        FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = a.atttypid),
      'generated', a.attgenerated <> '', 'has_default', a.atthasdef OR a.attidentity <> '',
      'folds', coalesce(NOT l.collisdeterministic, false) OR EXISTS (
        SELECT FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_index AS y
        ON y.indrelid = x.indrelid AND y.indexrelid <> x.indexrelid AND y.indisunique
        AND y.indimmediate AND y.indisvalid AND y.indpred IS NULL AND y.indexprs IS NULL
        AND (y.indkey::int2[])[0:y.indnkeyatts - 1] @> (x.indkey::int2[])[0:x.indnkeyatts - 1]
        AND (y.indkey::int2[])[0:y.indnkeyatts - 1] <@ (x.indkey::int2[])[0:x.indnkeyatts - 1]
        WHERE x.indrelid = c.oid AND x.indisunique AND x.indimmediate
        AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
        AND EXISTS (SELECT FROM pg_catalog.generate_series(0, x.indnkeyatts - 1) AS n
          JOIN pg_catalog.pg_collation AS f ON f.oid = x.indcollation[n]
          WHERE x.indkey[n] = a.attnum AND NOT f.collisdeterministic))) ORDER BY a.attnum), '[]')
    FROM pg_catalog.pg_attribute AS a LEFT JOIN pg_catalog.pg_collation AS l
    ON l.oid = a.attcollation WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'key', (SELECT coalesce(pg_catalog.json_agg(a.attname ORDER BY k.place), '[]')
    FROM pg_catalog.pg_constraint AS p
    CROSS JOIN LATERAL pg_catalog.unnest(p.conkey) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE p.conrelid = c.oid AND p.contype = 'p'),
  'unique_keys', (SELECT coalesce(pg_catalog.json_agg((SELECT pg_catalog.json_agg(a.attname)
      FROM pg_catalog.generate_series(0, x.indnkeyatts - 1) AS n
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = x.indkey[n])), '[]')
    FROM pg_catalog.pg_index AS x WHERE x.indrelid = c.oid AND x.indisunique AND x.indimmediate
    AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_collation AS f
      WHERE f.oid = ANY (x.indcollation::oid[]) AND NOT f.collisdeterministic)),
  'deferrable_keys', (SELECT coalesce(pg_catalog.json_agg((SELECT pg_catalog.json_agg(a.attname)
      FROM pg_catalog.generate_series(0, x.indnkeyatts - 1) AS n
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = x.indkey[n])), '[]')
    FROM pg_catalog.pg_index AS x WHERE x.indrelid = c.oid AND x.indisunique AND NOT x.indimmediate
    AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL),
  'partition_key', (SELECT coalesce(pg_catalog.json_agg(a.attname), '[]')
    FROM pg_catalog.pg_partitioned_table AS p
    CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs::int2[]) AS k(attnum)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE p.partrelid = c.oid),
  'triggers', (SELECT coalesce(pg_catalog.json_agg(g.tgname), '[]') FROM pg_catalog.pg_trigger AS g
    WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled = 'O'
    AND NOT (g.tgname IN ('_lockstep_guard', '_lockstep_fence', '_lockstep_fence_row',
      '_lockstep_log', '_lockstep_log_truncate')
      AND EXISTS (SELECT FROM pg_catalog.pg_proc AS p
      WHERE p.oid = g.tgfoid AND p.pronamespace = pg_catalog.to_regnamespace('lockstep')))),
  'firing', (SELECT coalesce(pg_catalog.json_agg(g.tgname), '[]') FROM pg_catalog.pg_trigger AS g
    WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('A', 'R')
    AND NOT (g.tgname IN ('_lockstep_fence', '_lockstep_fence_row',
      '_lockstep_log', '_lockstep_log_truncate')
      AND EXISTS (SELECT FROM pg_catalog.pg_proc AS p
      WHERE p.oid = g.tgfoid AND p.pronamespace = pg_catalog.to_regnamespace('lockstep')))),
  'rules', (SELECT coalesce(pg_catalog.json_agg(r.rulename), '[]') FROM pg_catalog.pg_rewrite AS r
    WHERE r.ev_class = c.oid AND c.relkind IN ('r', 'p') AND r.ev_enabled <> 'D'),
  'foreign_keys', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('name',
      o.relname || '.' || f.conname, 'owned', pg_catalog.pg_has_role(o.relowner, 'USAGE'))), '[]')
    FROM pg_catalog.pg_constraint AS f JOIN pg_catalog.pg_class AS o ON o.oid = f.conrelid
    WHERE f.contype = 'f' AND f.conparentid = 0 AND (f.conrelid = c.oid OR f.confrelid = c.oid)))
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition)";

CatalogTable table_from(const Json& json) {
  CatalogTable table;
  table.kind = json.at("kind").get<std::string>().front();
  table.unlogged = json.at("unlogged");
  table.has_children = json.at("has_children");
  table.row_security = json.at("row_security");
  table.owned = json.at("owned");
  table.writable = json.at("writable");
  for (const Json& each : json.at("columns")) {
    CatalogTable::CatalogColumn& column = table.columns.emplace_back();
    column.name = each.at("name");
    column.type = each.at("type");
    column.not_null = each.at("not_null");
    column.generated = each.at("generated");
    column.has_default = each.at("has_default");
    column.folds = each.at("folds");
    column.labels = each.at("labels").get<std::vector<std::string>>();
  }
  table.key = json.at("key").get<std::vector<std::string>>();
  table.unique_keys = json.at("unique_keys").get<std::vector<std::vector<std::string>>>();
  table.deferrable_keys = json.at("deferrable_keys").get<std::vector<std::vector<std::string>>>();
  table.partition_key = json.at("partition_key").get<std::vector<std::string>>();
  table.triggers = json.at("triggers").get<std::vector<std::string>>();
  table.firing_triggers = json.at("firing").get<std::vector<std::string>>();
  table.rules = json.at("rules").get<std::vector<std::string>>();
  for (const Json& each : json.at("foreign_keys")) {
    table.foreign_keys.push_back(each.at("name"));
    table.foreign_keys_owned = table.foreign_keys_owned && each.at("owned").get<bool>();
  }
  return table;
}

// Dropped and written down in one transaction. Partitions' own halves go with their parents'.
constexpr char kForeignKeys[] = R"(
SELECT o.oid::regclass::text, f.conname, pg_catalog.pg_get_constraintdef(f.oid), f.convalidated
FROM pg_catalog.pg_constraint AS f JOIN pg_catalog.pg_class AS o ON o.oid = f.conrelid
WHERE f.contype = 'f' AND f.conparentid = 0
  AND (f.conrelid = pg_catalog.to_regclass($1) OR f.confrelid = pg_catalog.to_regclass($1)))";

void set_foreign_keys_aside(Connection& connection, const std::string& migration,
                            const std::string& table) {
  const Result keys = connection.query(kForeignKeys, {table});
  for (int row = 0; row < keys.rows(); ++row) {
    const std::string owner(keys.value(row, 0)), name(keys.value(row, 1));
    connection.query(
        "INSERT INTO lockstep.ledger_foreign_keys (migration, relation, name, definition) VALUES "
        "($1, $2, $3, $4)",
        {migration, owner, name, std::string(keys.value(row, 2))});
    connection.exec(
        fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", owner, postgres::quoted(name)));
  }
}

// Whole at first, which a partitioned table asks for; NOT VALID where rows have no parent.
std::string put_back(Connection& connection, const std::string& relation, const std::string& name,
                     const std::string& definition) {
  const std::string add = fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", relation,
                                      postgres::quoted(name), definition);
  std::string why;
  for (const std::string& sql : {add, add + " NOT VALID"}) {
    connection.exec("SAVEPOINT put_back");
    try {
      connection.exec(sql);
      if (why.empty()) return {};
      return fmt::format("foreign key {} of {} is back, NOT VALID: {}", name, relation, why);
    } catch (const Error& error) {
      if (error.foreign().empty()) throw;
      connection.exec("ROLLBACK TO SAVEPOINT put_back");
      why = error.facts().why;
      if (error.foreign() != "23503") break;
    }
  }
  return fmt::format("foreign key {} of {} could not be put back: {}; it was {}", name, relation,
                     why, definition);
}

}  // namespace

std::string create_copy_sql(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    columns.push_back(
        fmt::format("{} {}", postgres::quoted(plan.target_column(i)), to_string(plan.types[i])));
  return fmt::format("CREATE TABLE {} ({})", copy_table(schema, plan.id), fmt::join(columns, ", "));
}

std::map<std::string, CatalogTable> read_catalog(Connection& connection,
                                                 const std::string& schema) {
  std::map<std::string, CatalogTable> tables;
  const Result rows = connection.query(kCatalog, {schema});
  for (int row = 0; row < rows.rows(); ++row) {
    CatalogTable table = table_from(Json::parse(rows.value(row, 1)));
    table.name = rows.value(row, 0);
    tables.emplace(table.name, std::move(table));
  }
  return tables;
}

bool has_rows(Connection& connection, const std::string& schema, const std::string& table) {
  return connection.exec(fmt::format("SELECT EXISTS (SELECT FROM {})", qualified(schema, table)))
      .boolean(0, 0);
}

void read_labels_anew(Connection& connection, std::vector<TablePlan>& plans) {
  for (TablePlan& plan : plans) {
    if (!plan.existing) continue;
    for (ExistingColumn& column : plan.existing->columns) {
      if (column.holds.kind != TargetKind::enumeration) continue;
      const Result labels = connection.query(
          "SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = "
          "pg_catalog.to_regtype($1) ORDER BY enumsortorder",
          {column.type});
      column.holds.labels.clear();
      for (int row = 0; row < labels.rows(); ++row)
        column.holds.labels.emplace_back(labels.value(row, 0));
    }
  }
}

bool may_be_silent(Connection& connection) {
  connection.exec("BEGIN");
  bool may = true;
  try {
    connection.exec(kBeSilent);
  } catch (const Error& error) {
    if (error.foreign() != "42501") throw;
    may = false;
  }
  connection.abort();
  return may;
}

void make_way(Connection& connection, const std::string& migration, const std::string& schema,
              const std::vector<TablePlan>& plans, bool silent) {
  const bool any = std::any_of(plans.begin(), plans.end(),
                               [](const TablePlan& plan) { return plan.existing.has_value(); });
  if (!any) return;
  ensure_foreign_key_ledger(connection);
  for (const TablePlan& plan : plans) {
    if (!plan.existing) continue;
    connection.exec(create_copy_sql(schema, plan));
    if (!silent)
      set_foreign_keys_aside(connection, migration, qualified(schema, plan.target_name()));
  }
}

void make_way_for_changed(Connection& connection, const std::string& migration,
                          const std::string& schema, const std::vector<TablePlan>& plans) {
  for (const TablePlan& plan : plans)
    if (plan.existing) {
      ensure_foreign_key_ledger(connection);
      set_foreign_keys_aside(connection, migration, qualified(schema, plan.target_name()));
    }
}

void fill_existing(Connection& connection, const std::string& schema,
                   const std::vector<TablePlan>& plans, bool silent) {
  if (silent) connection.exec(kBeSilent);
  for (const TablePlan& plan : plans) {
    if (!plan.existing) continue;
    const std::string table = qualified(schema, plan.target_name());
    connection.exec(fmt::format("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table));
    if (plan.existing->replaces_rows)
      connection.exec("DELETE FROM " + table);
    else if (has_rows(connection, schema, plan.target_name()))
      throw Error({.code = "LS-T206",
                   .exit = ExitCode::stopped,
                   .what = fmt::format("{} has got rows since the copy began", table),
                   .why = "somebody else writes to it: it was empty",
                   .data = "nothing of them was changed; the copy waits beside it",
                   .todo = "take these rows out, then run lockstep again: it goes on from there"});
    connection.exec(fill_sql(schema, plan));
    connection.exec("DROP TABLE " + copy_table(schema, plan.id));
  }
}

std::vector<std::string> undo_make_way(Connection& connection, const std::string& migration,
                                       const std::string& schema) {
  std::vector<std::string> told;
  if (!connection.exec("SELECT to_regclass('lockstep.ledger_foreign_keys') IS NOT NULL")
           .boolean(0, 0))
    return told;
  connection.exec("BEGIN");
  try {
    const Result keys = connection.query(
        "DELETE FROM lockstep.ledger_foreign_keys WHERE migration = $1 RETURNING relation, name, "
        "definition",
        {migration});
    for (int row = 0; row < keys.rows(); ++row) {
      std::string sentence =
          put_back(connection, std::string(keys.value(row, 0)), std::string(keys.value(row, 1)),
                   std::string(keys.value(row, 2)));
      if (!sentence.empty()) told.push_back(std::move(sentence));
    }
    const Result ids =
        connection.query("SELECT id FROM lockstep.ledger_tables WHERE migration = $1", {migration});
    for (int row = 0; row < ids.rows(); ++row)
      connection.exec("DROP TABLE IF EXISTS " +
                      copy_table(schema, static_cast<std::uint32_t>(ids.integer(row, 0))));
    connection.exec("COMMIT");
  } catch (...) {
    connection.abort();
    throw;
  }
  return told;
}

}  // namespace lockstep::apply
