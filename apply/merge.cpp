#include "apply/merge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "apply/column_values.hpp"
#include "apply/target_schema.hpp"
#include "apply/upsert_key.hpp"
#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

using postgres::qualified;

// What PostgreSQL computes nobody may write.
bool is_written(const TablePlan& plan, std::size_t column) {
  return plan.shape.columns[column].computed_as.empty();
}

std::vector<std::string> columns_of(const TablePlan& plan) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (is_written(plan, i)) names.push_back(postgres::quoted(plan.target_column(i)));
  return names;
}

std::vector<std::string> key_of(const TablePlan& plan) {
  std::vector<std::string> names;
  for (const std::size_t column : plan.shape.key)
    names.push_back(postgres::quoted(plan.target_column(column)));
  return names;
}

// A name of ours that no column has.
std::string own_name(const TablePlan& plan, std::string name) {
  const auto taken = [&] {
    for (std::size_t i = 0; i < plan.types.size(); ++i)
      if (plan.target_column(i) == name) return true;
    return false;
  };
  while (taken()) name += '_';
  return postgres::quoted(name);
}
std::string present_name(const TablePlan& plan) {
  return own_name(plan, "lockstep_present");
}
std::string slice_name(const TablePlan& plan) {
  return own_name(plan, "lockstep_slice");
}

std::string same_key(const TablePlan& plan, std::string_view one, std::string_view other) {
  std::vector<std::string> terms;
  for (const std::string& name : key_of(plan))
    terms.push_back(fmt::format("{1}.{0} = {2}.{0}", name, one, other));
  return fmt::format("{}", fmt::join(terms, " AND "));
}

// PostgreSQL takes 0.0 and -0.0 for one key: then the spelling is what changes.
bool is_updated(const TablePlan& plan, std::size_t column) {
  return is_written(plan, column) &&
         (!plan.is_key(column) || plan.types[column] == ColumnType::double_precision);
}

std::vector<std::string> updates_of(const TablePlan& plan) {
  std::vector<std::string> updates;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
    if (is_updated(plan, i))
      updates.push_back(fmt::format("{0} = EXCLUDED.{0}", postgres::quoted(plan.target_column(i))));
  return updates;
}

std::string on_conflict(const TablePlan& plan, const std::string& row) {
  const std::vector<std::string> updates = updates_of(plan);
  if (updates.empty()) return keep_row(plan, row);
  const std::string proof = same_key_or_error(plan, row);
  return fmt::format("{} DO UPDATE SET {}{}{}", conflict_target(plan), fmt::join(updates, ", "),
                     proof.empty() ? "" : " WHERE ", proof);
}

std::string destination(const std::string& schema, const TablePlan& plan, Into into) {
  return into == Into::copy && plan.existing ? postgres::copy_table(schema, plan.id)
                                             : qualified(schema, plan.target_name());
}

std::string delete_using(const std::string& schema, const TablePlan& plan,
                         Into into = Into::table) {
  return fmt::format("DELETE FROM {} AS t USING {} AS s WHERE {}", destination(schema, plan, into),
                     staging_name(plan), same_key(plan, "t", "s"));
}

// GENERATED ALWAYS AS IDENTITY takes the source's numbers only so; else it says nothing.
std::string_view overriding(const TablePlan& plan) {
  return plan.existing ? "OVERRIDING SYSTEM VALUE " : "";
}

std::string digest_of(const std::vector<std::string>& values) {
  return fmt::format("sha256(record_send(ROW({})))", fmt::join(values, ", "));
}

std::string key_digest(const TablePlan& plan, std::string_view row) {
  std::vector<std::string> values;
  for (const std::size_t column : plan.shape.key) values.push_back(comparable(plan, column, row));
  return digest_of(values);
}

std::string row_digest(const TablePlan& plan, std::string_view row) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (is_written(plan, i)) values.push_back(comparable(plan, i, row));
  return digest_of(values);
}

// The row on the target is neither what the source has nor what it had.
constexpr std::string_view kConflict =
    "(x.theirs IS NOT NULL AND x.theirs IS DISTINCT FROM x.ours AND x.theirs IS DISTINCT FROM "
    "x.before)";

std::string to_be_written(Conflicts conflicts) {
  return conflicts == Conflicts::kept ? fmt::format(" AND NOT {}", kConflict) : std::string();
}

// Behind what the rows bring. A table that lockstep made has them by its defaults; one that was
// there is told, and keeps them when a row is updated.
void add_constants(const TablePlan& plan, std::vector<std::string>& names,
                   std::vector<std::string>& values) {
  if (!plan.existing) return;
  for (const AddedColumn& added : plan.rules.added) {
    names.push_back(postgres::quoted(added.name));
    values.push_back(untyped_constant_sql(added));
  }
}

std::string insert_from(const std::string& schema, const TablePlan& plan, const std::string& from) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (is_written(plan, i))
      values.push_back(assigned(plan, i, postgres::quoted(plan.target_column(i))));
  std::vector<std::string> names = columns_of(plan);
  add_constants(plan, names, values);
  return fmt::format("INSERT INTO {} AS t ({}) {}SELECT {} FROM {}",
                     qualified(schema, plan.target_name()), fmt::join(names, ", "),
                     overriding(plan), fmt::join(values, ", "), from);
}

}  // namespace

bool is_upserted(const TablePlan& plan) {
  return !plan.existing || plan.existing->upserts;
}

bool upsert_counts(const TablePlan& plan) {
  return !updates_of(plan).empty();
}

std::string insert_row_sql(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> parameters;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (is_written(plan, i))
      parameters.push_back(assigned(
          plan, i, fmt::format("${}::{}", parameters.size() + 1, to_string(plan.types[i]))));
  std::vector<std::string> names = columns_of(plan);
  add_constants(plan, names, parameters);
  return fmt::format("INSERT INTO {} ({}) {}VALUES ({})", qualified(schema, plan.target_name()),
                     fmt::join(names, ", "), overriding(plan), fmt::join(parameters, ", "));
}

std::string upsert_row_sql(const std::string& schema, const TablePlan& plan) {
  return insert_row_sql(schema, plan) + on_conflict(plan, postgres::quoted(plan.target_name()));
}

std::string delete_row_sql(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < plan.shape.key.size(); ++i)
    terms.push_back(fmt::format("{} = ${}::{}",
                                postgres::quoted(plan.target_column(plan.shape.key[i])), i + 1,
                                to_string(plan.types[plan.shape.key[i]])));
  return fmt::format("DELETE FROM {} WHERE {}", qualified(schema, plan.target_name()),
                     fmt::join(terms, " AND "));
}

std::string staging_name(const TablePlan& plan) {
  return fmt::format("pg_temp.lockstep_staging_{}", plan.id);
}

std::string create_staging_sql(const TablePlan& plan) {
  std::vector<std::string> columns{present_name(plan) + " boolean", slice_name(plan) + " integer"};
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    columns.push_back(
        fmt::format("{} {}", postgres::quoted(plan.target_column(i)), to_string(plan.types[i])));
  return fmt::format("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS",
                     staging_name(plan), fmt::join(columns, ", "));
}

std::string copy_staging_sql(const TablePlan& plan) {
  return fmt::format("COPY {} FROM STDIN (FORMAT binary)", staging_name(plan));
}

std::string keep_latest_sql(const TablePlan& plan) {
  const std::string key = fmt::format("{}", fmt::join(key_of(plan), ", "));
  return fmt::format(
      "DELETE FROM {0} AS s USING (SELECT {1}, max({2}) AS latest FROM {0} GROUP BY {1} HAVING "
      "count(*) > 1) AS d WHERE {3} AND s.{2} < d.latest",
      staging_name(plan), key, slice_name(plan), same_key(plan, "s", "d"));
}

std::string count_present_sql(const TablePlan& plan) {
  return fmt::format("SELECT count(*) FROM {} WHERE {}", staging_name(plan), present_name(plan));
}

std::string merge_delete_absent_sql(const std::string& schema, const TablePlan& plan) {
  return fmt::format("{} AND NOT s.{}", delete_using(schema, plan), present_name(plan));
}

std::string merge_upsert_sql(const std::string& schema, const TablePlan& plan) {
  return merge_insert_sql(schema, plan) + on_conflict(plan, "t");
}

std::string merge_delete_missing_sql(const std::string& schema, const TablePlan& plan) {
  return fmt::format(
      "DELETE FROM {} AS t WHERE NOT EXISTS (SELECT 1 FROM {} AS s WHERE {} AND s.{})",
      qualified(schema, plan.target_name()), staging_name(plan), same_key(plan, "t", "s"),
      present_name(plan));
}

std::string merge_upsert_changed_sql(const std::string& schema, const TablePlan& plan) {
  const std::string upsert = merge_upsert_sql(schema, plan);
  if (!upsert_counts(plan)) return upsert;
  // *<> compares the bits: 0.0 and -0.0 differ, as do 1.0 and 1.00 as numeric. Between two bare
  // ROW()s PostgreSQL would look for it column by column.
  std::vector<std::string> present, proposed;
  for (const std::string& name : columns_of(plan)) {
    present.push_back("t." + name);
    proposed.push_back("EXCLUDED." + name);
  }
  return fmt::format("{} {} ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record", upsert,
                     same_key_or_error(plan, "t").empty() ? "WHERE" : "AND",
                     fmt::join(present, ", "), fmt::join(proposed, ", "));
}

std::string merge_delete_touched_sql(const std::string& schema, const TablePlan& plan, Into into) {
  return delete_using(schema, plan, into);
}

std::string merge_delete_all_sql(const std::string& schema, const TablePlan& plan, Into into) {
  return "DELETE FROM " + destination(schema, plan, into);
}

std::string merge_insert_sql(const std::string& schema, const TablePlan& plan, Into into) {
  if (into == Into::copy && plan.existing)
    return fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {2} WHERE {3}",
                       destination(schema, plan, into), fmt::join(columns_of(plan), ", "),
                       staging_name(plan), present_name(plan));
  return fmt::format("{} WHERE {}", insert_from(schema, plan, staging_name(plan)),
                     present_name(plan));
}

std::string dual_look_name(const TablePlan& plan) {
  return fmt::format("pg_temp.lockstep_dual_{}", plan.id);
}

std::string create_dual_look_sql(const TablePlan& plan) {
  return fmt::format(
      "CREATE TEMPORARY TABLE IF NOT EXISTS {} (at tid, present boolean, key bytea, ours bytea, "
      "before bytea, theirs bytea) ON COMMIT DELETE ROWS",
      dual_look_name(plan));
}

std::string dual_columns(const TablePlan& plan) {
  return key_digest(plan, "t") + " " + row_digest(plan, "t");
}

std::string dual_take_over_sql(const std::string& schema, const TablePlan& plan,
                               std::int64_t number) {
  return fmt::format(
      "INSERT INTO lockstep.dual_rows (number, key_digest, row_digest) SELECT {}, {}, {} FROM {} "
      "AS t",
      number, key_digest(plan, "t"), row_digest(plan, "t"), qualified(schema, plan.target_name()));
}

std::string dual_mark_missing_sql(const std::string& schema, const TablePlan& plan) {
  const std::vector<std::string> key = key_of(plan);
  std::vector<std::string> theirs;
  for (const std::string& name : key) theirs.push_back("t." + name);
  return fmt::format(
      "INSERT INTO {0} ({1}, {2}, {3}) SELECT false, 0, {4} FROM {5} AS t WHERE NOT EXISTS (SELECT "
      "1 FROM {0} AS s WHERE {6})",
      staging_name(plan), present_name(plan), slice_name(plan), fmt::join(key, ", "),
      fmt::join(theirs, ", "), qualified(schema, plan.target_name()), same_key(plan, "t", "s"));
}

std::string dual_expect_sql(const TablePlan& plan, std::int64_t number) {
  return fmt::format(
      "INSERT INTO {} (at, present, key, ours, before) SELECT s.ctid, s.{}, {}, CASE WHEN s.{} "
      "THEN {} END, d.row_digest FROM {} AS s LEFT JOIN lockstep.dual_rows AS d ON d.number = {} "
      "AND d.key_digest = {}",
      dual_look_name(plan), present_name(plan), key_digest(plan, "s"), present_name(plan),
      row_digest(plan, "s"), staging_name(plan), number, key_digest(plan, "s"));
}

std::string dual_add_sql(const std::string& schema, const TablePlan& plan) {
  return merge_insert_sql(schema, plan) + keep_row(plan, "t");
}

std::string dual_look_sql(const std::string& schema, const TablePlan& plan) {
  return fmt::format(
      "WITH held AS MATERIALIZED (SELECT s.ctid AS at, {} AS theirs FROM {} AS t JOIN {} AS s ON "
      "{} FOR UPDATE OF t) UPDATE {} AS x SET theirs = held.theirs FROM held WHERE x.at = held.at",
      row_digest(plan, "t"), qualified(schema, plan.target_name()), staging_name(plan),
      same_key(plan, "t", "s"), dual_look_name(plan));
}

std::string dual_conflicts_sql(const TablePlan& plan) {
  std::vector<std::string> key;
  for (const std::string& name : key_of(plan)) key.push_back(fmt::format("s.{}::text", name));
  return fmt::format(
      "SELECT count(*) OVER (), {} FROM {} AS s JOIN {} AS x ON x.at = s.ctid WHERE {} ORDER BY "
      "x.key LIMIT 1",
      fmt::join(key, ", "), staging_name(plan), dual_look_name(plan), kConflict);
}

// Of the rows that were looked at, and are locked since: the application may have made one of the
// same key after that, which nobody has judged.
std::string dual_delete_sql(const std::string& schema, const TablePlan& plan, Conflicts conflicts) {
  return fmt::format(
      "DELETE FROM {} AS t USING {} AS s, {} AS x WHERE {} AND x.at = s.ctid AND x.theirs IS NOT "
      "NULL AND NOT x.present{}",
      qualified(schema, plan.target_name()), staging_name(plan), dual_look_name(plan),
      same_key(plan, "t", "s"), to_be_written(conflicts));
}

std::string dual_update_sql(const std::string& schema, const TablePlan& plan, Conflicts conflicts) {
  std::vector<std::string> updates;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (is_updated(plan, i))
      updates.push_back(fmt::format(
          "{} = {}", postgres::quoted(plan.target_column(i)),
          assigned(plan, i, fmt::format("s.{}", postgres::quoted(plan.target_column(i))))));
  if (updates.empty()) return {};
  return fmt::format(
      "UPDATE {} AS t SET {} FROM {} AS s, {} AS x WHERE {} AND x.at = s.ctid AND x.present AND "
      "x.theirs IS DISTINCT FROM x.ours{}",
      qualified(schema, plan.target_name()), fmt::join(updates, ", "), staging_name(plan),
      dual_look_name(plan), same_key(plan, "t", "s"), to_be_written(conflicts));
}

std::string dual_clear_sql(const std::string& schema, const TablePlan& plan, Conflicts conflicts) {
  return fmt::format(
      "DELETE FROM {} AS t USING {} AS s, {} AS x WHERE {} AND x.at = s.ctid AND x.theirs IS NOT "
      "NULL{}",
      qualified(schema, plan.target_name()), staging_name(plan), dual_look_name(plan),
      same_key(plan, "t", "s"), to_be_written(conflicts));
}

std::string dual_insert_sql(const std::string& schema, const TablePlan& plan, Conflicts conflicts) {
  return fmt::format("{} AND ctid IN (SELECT x.at FROM {} AS x WHERE x.present{})",
                     merge_insert_sql(schema, plan), dual_look_name(plan),
                     to_be_written(conflicts));
}

std::vector<std::string> dual_remember_sql(const TablePlan& plan, std::int64_t number, bool whole) {
  const std::string look = dual_look_name(plan);
  return {
      whole ? fmt::format("DELETE FROM lockstep.dual_rows AS d WHERE d.number = {} AND NOT EXISTS "
                          "(SELECT 1 FROM {} AS x WHERE x.key = d.key_digest AND x.present)",
                          number, look)
            : fmt::format("DELETE FROM lockstep.dual_rows AS d USING {} AS x WHERE d.number = {} "
                          "AND d.key_digest = x.key AND NOT x.present",
                          look, number),
      fmt::format("INSERT INTO lockstep.dual_rows AS d (number, key_digest, row_digest) SELECT {}, "
                  "x.key, x.ours FROM {} AS x WHERE x.present AND x.before IS DISTINCT FROM x.ours "
                  "ON CONFLICT (number, key_digest) DO UPDATE SET row_digest = EXCLUDED.row_digest",
                  number, look)};
}

std::string fill_sql(const std::string& schema, const TablePlan& plan) {
  return insert_from(schema, plan, postgres::copy_table(schema, plan.id));
}

}  // namespace lockstep::apply
