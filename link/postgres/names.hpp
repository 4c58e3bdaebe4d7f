// Quoting of identifiers and literals, and what PostgreSQL allows as a name. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::postgres {

inline constexpr char kControlSchema[] = "lockstep";  ///< where the ledger lives
inline constexpr std::size_t kNameBytesMax = 63;
inline constexpr std::size_t kColumnsMax = 1600;

/// "name" with inner quotes doubled. Throws Error LS-D420 if empty, longer than 63 bytes or with
/// NUL.
[[nodiscard]] std::string quoted(std::string_view name);
/// "schema"."name"
[[nodiscard]] std::string qualified(std::string_view schema, std::string_view name);
/// Where the rows of a table that was there wait until the copy is consistent:
/// lockstep."copy_<schema's hash>_<table>". One migration has a target schema for itself.
[[nodiscard]] std::string copy_table(std::string_view schema, std::uint32_t table);
/// The function of a target schema's guard (apply/guard), without its parentheses.
[[nodiscard]] std::string guard_function(std::string_view schema);
/// The function that logs what is written to a table (switchover/reverse_log), without its
/// parentheses.
[[nodiscard]] std::string log_function(std::string_view schema, std::uint32_t table);
/// 'text' that is safe whatever standard_conforming_strings says (E'' when it has a backslash).
[[nodiscard]] std::string literal(std::string_view text);
/// As a parameter of type text[]: {"a","b\\"c"}.
[[nodiscard]] std::string text_array(const std::vector<std::string>& texts);
/// Why `name` cannot be a column of a table: empty, too long, NUL, a system column (ctid, xmin,
/// ...). Empty text: it can.
[[nodiscard]] std::string column_name_problem(std::string_view name);
/// The same for tables, indexes and constraints.
[[nodiscard]] std::string relation_name_problem(std::string_view name);

}  // namespace lockstep::postgres
