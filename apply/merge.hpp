// Upsert, delete, staging and merge SQL from a table plan. Pure.
#pragma once

#include <string>

#include "model/shape.hpp"

namespace lockstep::apply {

/// Where rows go. Until the copy is consistent, those of a table that was there wait in another one
/// (postgres::copy_table), which has no constraints: rows that never existed together can meet.
enum class Into { table, copy };

/// False for a partitioned table whose unique keys hold more than the source's key: there is
/// nothing for ON CONFLICT to go by, its rows are deleted and inserted. Then they find their
/// partition anew, too.
[[nodiscard]] bool is_upserted(const TablePlan& plan);

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

/// Of a table that was there: from where its rows waited into it, which is empty.
[[nodiscard]] std::string fill_sql(const std::string& schema, const TablePlan& plan);

}  // namespace lockstep::apply
