#include "apply/target_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace lockstep::apply {

namespace {

using postgres::Connection;
using postgres::Result;

// One row per item, so that no name can be misread: t table, c column, k
// key column, g trigger, i unique index that folds texts beside another over the same columns, f
// foreign key of it or into it, r rule. The last is a column's collation.
constexpr char kSeen[] = R"(
WITH ours AS (
  SELECT t.name, c.* FROM lockstep.ledger_tables AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $2
  JOIN (SELECT oid, relname, relnamespace, relkind, relpersistence
        FROM pg_catalog.pg_class) AS c ON c.relnamespace = n.oid AND c.relname = t.name
  WHERE t.migration = $1)
SELECT name, 't', relkind::text, relpersistence = 'u',
       EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = ours.oid),
       pg_catalog.row_security_active(oid), 0, '' FROM ours
UNION ALL
SELECT o.name, 'c', a.attname::text || '/' || pg_catalog.format_type(a.atttypid, a.atttypmod)
,
       a.attnotnull, a.attgenerated <> '', coalesce(NOT l.collisdeterministic, false) AND EXISTS (
         SELECT FROM pg_catalog.pg_index AS x WHERE x.indrelid = o.oid AND x.indisunique
         AND x.indimmediate AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
         AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])),
       a.attnum, coalesce(pg_catalog.quote_ident(l.collname), '')
FROM ours AS o JOIN pg_catalog.pg_attribute AS a ON a.attrelid = o.oid
JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation AND l.oid <> y.typcollation
WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT o.name, 'k', a.attname::text, false, false, false, k.place, ''
FROM ours AS o JOIN pg_catalog.pg_constraint AS p ON p.conrelid = o.oid AND p.contype = 'p'
CROSS JOIN LATERAL pg_catalog.unnest(p.conkey) WITH ORDINALITY AS k(attnum, place)
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = o.oid AND a.attnum = k.attnum
UNION ALL
SELECT o.name, 'g', g.tgname::text, g.tgenabled = 'O', false, false, 0, ''
FROM ours AS o JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = o.oid OR o.relkind = 'p'
  AND g.tgrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(o.oid) AS p)
WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'
  AND NOT (g.tgname IN ('_lockstep_guard', '_lockstep_fence', '_lockstep_fence_row',
      '_lockstep_log', '_lockstep_log_truncate')
    AND EXISTS (SELECT FROM pg_catalog.pg_proc AS p
    WHERE p.oid = g.tgfoid AND p.pronamespace = pg_catalog.to_regnamespace('lockstep')))
UNION ALL
SELECT o.name, 'i', i.relname::text, false, false, false, 0, ''
FROM ours AS o JOIN pg_catalog.pg_index AS x ON x.indrelid = o.oid
JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
WHERE x.indisunique AND x.indimmediate AND x.indisvalid AND x.indpred IS NULL
  AND x.indexprs IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_collation AS l
    WHERE l.oid = ANY (x.indcollation::oid[]) AND NOT l.collisdeterministic)
  AND EXISTS (SELECT FROM pg_catalog.pg_index AS y WHERE y.indrelid = o.oid
    AND y.indexrelid <> x.indexrelid AND y.indisunique AND y.indimmediate AND y.indisvalid
    AND y.indpred IS NULL AND y.indexprs IS NULL
    AND (y.indkey::int2[])[0:y.indnkeyatts - 1] @> (x.indkey::int2[])[0:x.indnkeyatts - 1]
    AND (y.indkey::int2[])[0:y.indnkeyatts - 1] <@ (x.indkey::int2[])[0:x.indnkeyatts - 1])
UNION ALL
SELECT o.name, 'f', f.conname::text, false, false, false, 0, ''
FROM ours AS o JOIN pg_catalog.pg_constraint AS f ON f.conrelid = o.oid OR f.confrelid = o.oid
WHERE f.contype = 'f' AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))
UNION ALL
SELECT o.name, 'r', r.rulename::text, false, false, false, 0, ''
FROM ours AS o JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = o.oid
WHERE o.relkind IN ('r', 'p') AND r.ev_enabled <> 'D'
ORDER BY 1, 2, 7)";

void add(TableSeen& seen, const Result& rows, int row) {
  const std::string text(rows.value(row, 2));
  switch (rows.value(row, 1).front()) {
    case 't':
      seen.kind = text.front();
      seen.unlogged = rows.boolean(row, 3);
      seen.has_children = rows.boolean(row, 4);
      seen.row_security = rows.boolean(row, 5);
      return;
    case 'c': {
      const std::size_t slash = text.rfind('/');  // of no type of ours
      seen.columns.push_back({text.substr(0, slash), text.substr(slash + 1),
                              std::string(rows.value(row, 7)), rows.boolean(row, 3),
                              rows.boolean(row, 4), rows.boolean(row, 5)});
      return;
    }
    case 'k':
      seen.key.push_back(text);
      return;
    case 'g':  // ENABLE REPLICA fires in our sessions if they are replicas, ALWAYS in all
      seen.triggers.push_back({text, rows.boolean(row, 3)});
      return;
    case 'i':
      seen.folding_indexes.push_back(text);
      return;
    case 'f':
      seen.foreign_keys.push_back(text);
      return;
    default:
      seen.rules.push_back(text);
  }
}

const TableSeen::ColumnSeen* find(const TableSeen& seen, const std::string& name) {
  const auto found = std::find_if(seen.columns.begin(), seen.columns.end(),
                                  [&](const auto& column) { return column.name == name; });
  return found == seen.columns.end() ? nullptr : &*found;
}

// A table that was there keeps what collations it has, as long as none makes one row of two.
void compare_collations(const TablePlan& plan, const TableSeen::ColumnSeen& there,
                        std::vector<std::string>& found) {
  if (!plan.existing && !there.collation.empty())
    found.push_back(fmt::format("{}.{} is {} COLLATE {}, it was made without", plan.target_name(),
                                there.name, there.type, there.collation));
  if (plan.existing && there.folds)
    found.push_back(
        fmt::format("{}.{} has COLLATE {} in a unique index, which takes different texts for one",
                    plan.target_name(), there.name, there.collation));
}

void compare_columns(const TablePlan& plan, const TableSeen& seen,
                     std::vector<std::string>& found) {
  const auto say = [&](const std::string& text) {
    found.push_back(fmt::format("{}.{}", plan.target_name(), text));
  };
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    const Column& column = plan.shape.columns[i];
    const TableSeen::ColumnSeen* there = find(seen, plan.target_column(i));
    const std::string type =
        plan.existing ? plan.existing->columns[i].type : std::string(to_string(plan.types[i]));
    const bool not_null =
        plan.existing ? plan.existing->columns[i].not_null : column.not_null || plan.is_key(i);
    if (there == nullptr) {
      say(plan.target_column(i) + " is gone");
      continue;
    }
    if (there->type != type)
      say(fmt::format("{} is {}, it was made as {}", there->name, there->type, type));
    compare_collations(plan, *there, found);
    if (there->not_null != not_null)
      say(fmt::format("{} {}", there->name, not_null ? "lost its NOT NULL" : "became NOT NULL"));
    if (there->generated != !column.computed_as.empty())
      say(there->name +
          (there->generated ? " became a generated column" : " is no generated column any more"));
  }
  for (std::size_t i = 0; plan.existing && i < plan.rules.added.size(); ++i) {
    const std::string& name = plan.rules.added[i].name;
    const TableSeen::ColumnSeen* there = find(seen, name);
    if (there == nullptr)
      say(name + " is gone");
    else if (there->type != plan.existing->added[i].type)
      say(fmt::format("{} is {}, it was {}", name, there->type, plan.existing->added[i].type));
  }
  for (const TableSeen::ColumnSeen& column : seen.columns) {
    bool known = std::any_of(plan.rules.added.begin(), plan.rules.added.end(),
                             [&](const AddedColumn& ours) { return ours.name == column.name; });
    for (std::size_t i = 0; i < plan.shape.columns.size() && !known; ++i)
      known = plan.target_column(i) == column.name;
    const bool was_there =
        plan.existing && std::find(plan.existing->extra.begin(), plan.existing->extra.end(),
                                   column.name) != plan.existing->extra.end();
    if (!known && !was_there)
      say(fmt::format("{} ({}{}) is new, the source has no such column", column.name, column.type,
                      column.not_null ? " NOT NULL" : ""));
  }
}

std::vector<std::string> expected_key(const TablePlan& plan) {
  if (plan.existing) return plan.existing->key;
  std::vector<std::string> names;
  for (const std::size_t column : plan.shape.key) names.push_back(plan.target_column(column));
  return names;
}

}  // namespace

std::vector<std::string> differences(const TablePlan& plan, bool indexed, const TableSeen& seen,
                                     bool silent) {
  std::vector<std::string> found;
  const auto say = [&](const std::string& text) {
    found.push_back(fmt::format("{} {}", plan.target_name(), text));
  };
  if (seen.kind == 0) {
    say("is gone: dropped, renamed or moved to another schema");
    return found;
  }
  const bool partitioned = plan.existing && plan.existing->partitioned;
  if (seen.kind != (partitioned ? 'p' : 'r')) {
    say(fmt::format("is no ordinary table any more (relkind {})", seen.kind));
    return found;
  }
  compare_columns(plan, seen, found);
  if ((indexed || plan.existing) && seen.key != expected_key(plan))
    say("lost its primary key, or has another");
  for (const auto& [trigger, ordinary] : seen.triggers)
    // An ORM's own may stay where they do not fire for us; what we made nobody else writes to.
    if (!(silent && ordinary && plan.existing))
      say(fmt::format("has a trigger {}, which can change rows", trigger));
  if (!silent)
    for (const std::string& key : seen.foreign_keys)
      say(
          fmt::format("has a foreign key {} (or is referenced by it), which would act by itself: "
                      "our role may not set session_replication_role",
                      key));
  // Ours are upserted by their own index, whatever is beside it.
  for (const std::string& index : seen.folding_indexes)
    if (plan.existing)
      say(fmt::format("has a unique index {}, whose collation takes different keys for one",
                      index));
  for (const std::string& rule : seen.rules)
    say(fmt::format("has a rule {}, which can change rows", rule));
  if (seen.row_security) say("has row level security that hides rows from lockstep's role");
  if (seen.unlogged) say("became UNLOGGED: a crash of the server would empty it");
  if (seen.has_children && !partitioned)
    say("has child tables (inheritance), whose rows show up in it");
  return found;
}

std::vector<std::string> tables_differ(Connection& connection, const std::string& migration,
                                       const std::string& schema,
                                       const std::vector<LedgerTable>& tables, bool silent) {
  const Result rows = connection.query(kSeen, {migration, schema});
  std::map<std::string, TableSeen> seen;
  for (int row = 0; row < rows.rows(); ++row) add(seen[std::string(rows.value(row, 0))], rows, row);
  std::vector<std::string> found;
  for (const LedgerTable& table : tables) {
    const std::vector<std::string> more =
        differences(table.plan, table.indexed, seen[table.plan.target_name()], silent);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

void check_target_tables(Connection& connection, const std::string& migration,
                         const std::string& schema, const std::vector<LedgerTable>& tables,
                         bool silent) {
  std::vector<std::string> found = tables_differ(connection, migration, schema, tables, silent);
  if (found.empty()) return;
  constexpr std::size_t kShownMax = 10;
  const std::size_t more = found.size() - std::min(found.size(), kShownMax);
  found.resize(found.size() - more);
  throw Error(
      {.code = "LS-T214",
       .exit = ExitCode::stopped,
       .what =
           fmt::format("tables of schema {} on the target are not as lockstep made them", schema),
       .why = fmt::format("{}{}", fmt::join(found, "; "),
                          more > 0 ? fmt::format("; and {} more", more) : std::string()),
       .data = "nothing more is applied; what was applied stays, changes wait in the source",
       .todo = "undo that on the target and run lockstep again: it goes on where it was (lockstep "
               "verify shows whether rows differ); or lockstep remove, drop the tables, run anew"});
}

Error locked_out(Connection& connection, const std::string& migration, const std::string& schema,
                 const Error& cause) {
  const Result holders = connection.query(
      "SELECT DISTINCT ON (who, c.relname) CASE WHEN l.pid IS NULL THEN 'prepared transaction ' || "
      "coalesce(pg_catalog.quote_literal(p.gid) || ' of ' || "
      "pg_catalog.to_char(p.prepared, 'YYYY-MM-DD HH24:MI:SS TZ'), '?') ELSE 'server process ' || "
      "l.pid || coalesce(' (' || nullif(a.application_name, '') || ')', '') END AS who, "
      "c.relname, l.mode FROM pg_catalog.pg_locks AS l "
      "JOIN pg_catalog.pg_class AS c ON c.oid = l.relation "
      "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
      "LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid "
      // A prepared transaction has no process; what it has is the lock on its own number.
      "LEFT JOIN pg_catalog.pg_locks AS own ON l.pid IS NULL AND own.pid IS NULL AND own.locktype "
      "= "
      "'transactionid' AND own.virtualtransaction = l.virtualtransaction "
      "LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = own.transactionid "
      "WHERE l.locktype = 'relation' AND l.granted AND l.database = (SELECT oid FROM "
      "pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AND l.mode <> "
      "'AccessShareLock' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() AND (n.nspname = "
      "'lockstep' OR n.nspname = $2 AND c.relname IN (SELECT name FROM lockstep.ledger_tables "
      "WHERE migration = $1)) ORDER BY who, c.relname, (l.mode <> 'AccessExclusiveLock') LIMIT 5",
      {migration, schema});
  std::vector<std::string> who;
  for (int row = 0; row < holders.rows(); ++row)
    who.push_back(fmt::format("{} holds {} ({})", holders.value(row, 0), holders.value(row, 1),
                              holders.value(row, 2)));
  return Error(
      {.code = "LS-T213",
       .exit = ExitCode::timed_out,
       .what = fmt::format("a lock on the target is held by others: {}",
                           who.empty() ? "nobody is seen holding one any more"
                                       : fmt::format("{}", fmt::join(who, "; "))),
       .why = cause.facts().why,
       .data = "safe: the batch was rolled back as a whole, changes wait in the source",
       .todo = "end that transaction (COMMIT PREPARED, ROLLBACK PREPARED, pg_terminate_backend); "
               "lockstep tries again by itself",
       .foreign = cause.foreign(),
       .retry = Retry::same_session});
}

}  // namespace lockstep::apply
