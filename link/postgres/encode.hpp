// SQLite values as PostgreSQL binary fields: COPY tuples and statement parameters. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::postgres {

/// Why a value cannot be a field of its column; nothing if it can.
enum class Misfit {
  none,
  wrong_class,
  nul_in_text,
  invalid_utf8,
  whole_real,
  not_boolean,
  not_date,
  not_timestamp,
  not_timestamptz,
  not_milliseconds,
  not_uuid,
  not_json,
  other_spelling,  ///< see ColumnSpelling; not found by misfit_of()
  null_refused,    ///< NULL in a NOT NULL column of a table that was there; neither
  not_in_target,   ///< misfit_of_target() says why; neither
  not_converted    ///< by the column's rule; found by misfit_of_carried()
};

[[nodiscard]] std::string_view to_string(Misfit misfit);

/// bigint takes integer, double precision real (with infinities, never a NaN SQLite could not
/// have), text valid UTF-8 text without NUL, bytea blob, numeric what fits_numeric() says, boolean
/// the integers 0 and 1, timestamp_ms integers of the years 1 to 9999, date, timestamp (no zone
/// written), timestamptz (zone 0 written), uuid and json the texts of model/spelling; NULL fits
/// every column. Anything else is a misfit: nothing is converted.
[[nodiscard]] Misfit misfit_of(const ValueView& value, ColumnType type);

/// The same for a column of a plan, of a value that its rule has been through. In a table that was
/// there a column may be wider than the rule's type: what the rule could not convert does not go
/// into it all the same.
[[nodiscard]] Misfit misfit_of_carried(const TablePlan& plan, std::size_t column,
                                       const ValueView& value);

/// True for well-formed UTF-8 as PostgreSQL means it (no surrogates, no overlong forms, at most
/// U+10FFFF).
[[nodiscard]] bool valid_utf8(std::string_view text);

/// Appends one COPY field (length:i32 bytes), or -1 for NULL. `value` must fit.
void append_field(std::string& out, const ValueView& value, ColumnType type);
/// Appends the tuple head (number of fields:i16).
void append_tuple_head(std::string& out, std::size_t fields);
/// Appends only the bytes of the value, for a statement parameter. Not for NULL.
void append_raw(std::string& out, const ValueView& value, ColumnType type);

}  // namespace lockstep::postgres
