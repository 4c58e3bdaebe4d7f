// SQL by which ranges of a table are read on either side, in key order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"
#include "verify/digest.hpp"

namespace lockstep::verify {

/// Of a session that reads for a comparison: an index alone is no proof of the table's rows. They
/// are read themselves, by an index or without.
void read_rows_themselves(postgres::Connection& target);

/// Names of bounds, for set_bound() and target_bound().
inline constexpr std::string_view kAfter = "verify_after", kUntil = "verify_until";

/// Every row behind the bound (parameters ?1.. are its values) or from the start, in key order.
[[nodiscard]] std::string source_range_sql(const TablePlan& plan, bool from_start);
/// All columns, of all rows.
[[nodiscard]] std::string source_select(const TablePlan& plan);
/// A key column as it is compared and sorted: byte by byte.
[[nodiscard]] std::string source_key_term(const TablePlan& plan, std::size_t column);

/// COPY of the rows in (kAfter, kUntil], as far as these are wanted, in key order. A comparison
/// with NULL is not true: whether such rows come, too, depends on the bounds, unless
/// `without_nulls`.
[[nodiscard]] std::string target_range_sql(const std::string& schema, const TablePlan& plan,
                                           bool from_start, bool to_end,
                                           bool without_nulls = false);
/// COPY of the rows that have NULL in their key; no row of the source has.
[[nodiscard]] std::string target_null_keys_sql(const std::string& schema, const TablePlan& plan);
/// True if the table lets them in.
[[nodiscard]] bool key_may_be_null(postgres::Connection& target, const std::string& schema,
                                   const TablePlan& plan);
/// COPY of the rows that have one of the keys of set_keys().
[[nodiscard]] std::string target_keys_sql(const std::string& schema, const TablePlan& plan);
/// All columns, as they are compared, and behind them those that rules add (shown_constant()).
[[nodiscard]] std::string target_columns(const TablePlan& plan);
[[nodiscard]] std::string target_key_term(const TablePlan& plan, std::size_t column);
/// The key as a row, compared with a bound: `comparison` is =, > or <=.
[[nodiscard]] std::string target_bound(const TablePlan& plan, std::string_view comparison,
                                       std::string_view bound);
/// COPY takes no parameters, and values do not belong into statements: a bound is settings of the
/// session, and statements name them.
void set_bound(postgres::Connection& target, const TablePlan& plan, std::string_view bound,
               const Key& key);
/// True of a row that has one of the keys of set_keys().
[[nodiscard]] std::string target_has_key(const TablePlan& plan);
/// The keys of set_keys() as rows: `columns` are their values, each of the type that the plan has.
struct WantedKeys {
  std::vector<std::string> columns;
  std::string from;
};
[[nodiscard]] WantedKeys wanted_keys(const TablePlan& plan);
/// Likewise, for these three. At most 60,000.
void set_keys(postgres::Connection& target, const TablePlan& plan, const std::vector<Key>& keys);

}  // namespace lockstep::verify
