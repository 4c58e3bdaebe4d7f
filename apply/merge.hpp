// Upsert, delete, staging and merge SQL from a table plan. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::apply {

/// Where rows go. Until the copy is consistent, those of a table that was there wait in another one
/// (postgres::copy_table), which has no constraints: rows that never existed together can meet.
enum class Into { table, copy };

/// What statements in place meet where rows exchange unique values: they are written anew then.
inline constexpr char kUniqueViolation[] = "23505";

/// False for a partitioned table whose unique keys hold more than the source's key: there is
/// nothing for ON CONFLICT to go by, its rows are deleted and inserted. Then they find their
/// partition anew, too.
[[nodiscard]] bool is_upserted(const TablePlan& plan);

/// True if an upsert always says that it wrote the row: not where nothing but a key is there.
[[nodiscard]] bool upsert_counts(const TablePlan& plan);

/// INSERT of one row: every column a parameter, in shape order.
[[nodiscard]] std::string insert_row_sql(const std::string& schema, const TablePlan& plan);
/// The same, updating the row that has the key already.
[[nodiscard]] std::string upsert_row_sql(const std::string& schema, const TablePlan& plan);
/// DELETE by key: the key columns are parameters, in key order.
[[nodiscard]] std::string delete_row_sql(const std::string& schema, const TablePlan& plan);

/// The temporary table of a large batch: a flag "present", the number of the slice that read the
/// row, then every column, none of them NOT NULL.
[[nodiscard]] std::string staging_name(const TablePlan& plan);
[[nodiscard]] std::string create_staging_sql(const TablePlan& plan);
[[nodiscard]] std::string copy_staging_sql(const TablePlan& plan);
/// Of a key that was read in several slices, only what the last one found stays in staging.
[[nodiscard]] std::string keep_latest_sql(const TablePlan& plan);
/// How many rows of staging are present.
[[nodiscard]] std::string count_present_sql(const TablePlan& plan);

/// Staging to target when the target has its key: absent keys are deleted, present rows upserted.
[[nodiscard]] std::string merge_delete_absent_sql(const std::string& schema, const TablePlan& plan);
[[nodiscard]] std::string merge_upsert_sql(const std::string& schema, const TablePlan& plan);
/// Staging holds the whole table: rows that are not in it are deleted, and of the others only those
/// are written that differ in any bit.
[[nodiscard]] std::string merge_delete_missing_sql(const std::string& schema,
                                                   const TablePlan& plan);
[[nodiscard]] std::string merge_upsert_changed_sql(const std::string& schema,
                                                   const TablePlan& plan);
/// Always right, whatever the constraints: delete every touched key, then insert every row found.
/// The batch leads to a state that the source really had, so this order cannot meet a unique
/// conflict.
[[nodiscard]] std::string merge_delete_touched_sql(const std::string& schema, const TablePlan& plan,
                                                   Into into = Into::table);
[[nodiscard]] std::string merge_delete_all_sql(const std::string& schema, const TablePlan& plan,
                                               Into into = Into::table);
[[nodiscard]] std::string merge_insert_sql(const std::string& schema, const TablePlan& plan,
                                           Into into = Into::table);

/// Of a table that the application writes on both sides (dual_write.hpp). One row for each row of
/// staging: where it is there, whether it is present, the digest of its key, and digests of the row
/// as the source has it (`ours`), as it had it before (`before`) and as it is on the target
/// (`theirs`; NULL: absent). `number`: of its rows in lockstep.dual_rows.
[[nodiscard]] std::string dual_look_name(const TablePlan& plan);
[[nodiscard]] std::string create_dual_look_sql(const TablePlan& plan);
/// The columns that are compared, in words that change when they do.
[[nodiscard]] std::string dual_columns(const TablePlan& plan);
/// The target's rows as they are now become what the source had before.
[[nodiscard]] std::string dual_take_over_sql(const std::string& schema, const TablePlan& plan,
                                             std::int64_t number);
/// Staging holds the whole table: what only the target has becomes an absent row of staging.
[[nodiscard]] std::string dual_mark_missing_sql(const std::string& schema, const TablePlan& plan);
/// Fills `ours` and `before`.
[[nodiscard]] std::string dual_expect_sql(const TablePlan& plan, std::int64_t number);
/// Present rows whose key is not there yet. Waits for others that insert the same key.
[[nodiscard]] std::string dual_add_sql(const std::string& schema, const TablePlan& plan);
/// Fills `theirs` and locks these rows.
[[nodiscard]] std::string dual_look_sql(const std::string& schema, const TablePlan& plan);
/// A row: how many conflicts there are, then the key of one of them, column by column.
[[nodiscard]] std::string dual_conflicts_sql(const TablePlan& plan);

enum class Conflicts { overwritten, kept };
/// Rows that are absent on the source.
[[nodiscard]] std::string dual_delete_sql(const std::string& schema, const TablePlan& plan,
                                          Conflicts conflicts);
/// Rows that are on both sides and differ; empty: there is nothing but the key.
[[nodiscard]] std::string dual_update_sql(const std::string& schema, const TablePlan& plan,
                                          Conflicts conflicts);
/// In place of add, delete and update where two rows exchanged a unique value: all that is to be
/// written goes, then comes.
[[nodiscard]] std::string dual_clear_sql(const std::string& schema, const TablePlan& plan,
                                         Conflicts conflicts);
[[nodiscard]] std::string dual_insert_sql(const std::string& schema, const TablePlan& plan,
                                          Conflicts conflicts);
/// `ours` becomes what the source had before. `whole`: keys that are not in staging go.
[[nodiscard]] std::vector<std::string> dual_remember_sql(const TablePlan& plan, std::int64_t number,
                                                         bool whole);

/// Of a table that was there: from where its rows waited into it, which is empty.
[[nodiscard]] std::string fill_sql(const std::string& schema, const TablePlan& plan);

}  // namespace lockstep::apply
