// Rows that are in the target's tables before the copy: refused, replaced or left alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/existing_target.hpp"
#include "model/shape.hpp"
#include "ops/prepare.hpp"
#include "ops/screen.hpp"

namespace lockstep::ops {

/// True for tables in which a framework keeps its own state and that its migrations fill.
[[nodiscard]] bool is_bookkeeping(const std::string& table);

/// With on_existing_row skip: globs that name just the tables of the source that have rows there
/// (never bookkeeping). Each is told.
[[nodiscard]] std::vector<std::string> rows_to_skip(
    sqlite::Database& source, postgres::Connection& connection, const std::string& schema,
    const std::map<std::string, CatalogTable>& there, const RunRequest& request, Screen& screen);

/// Decides for each table that was there and has rows. Bookkeeping: the source's rows take their
/// place, unless `on_existing_row` is fail. Other tables: LS-T206 with the counts, unless it is
/// update. What gives way is told.
void settle_existing_rows(postgres::Connection& connection, const std::string& schema,
                          const std::string& on_existing_row, std::vector<TablePlan>& plans,
                          Screen& screen);

}  // namespace lockstep::ops
