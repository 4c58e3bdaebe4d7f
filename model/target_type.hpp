// Column types of tables that were on PostgreSQL before lockstep: what they can hold exactly. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.hpp"

namespace lockstep {

/// What a type of PostgreSQL's catalog takes. varchar and text differ in the limit only.
enum class TargetKind : std::uint8_t {
  integer,  ///< smallint, integer, bigint by their limits
  double_precision,
  real,
  numeric,
  text,
  character,  ///< char(n) pads with blanks
  bytea,
  boolean,
  date,
  timestamp,
  timestamptz,
  time,
  uuid,
  json,
  jsonb,
  enumeration,  ///< CREATE TYPE .. AS ENUM
  inet,
  interval  ///< of days and time: microseconds (Django), or instants from 1970 on (SQLAlchemy)
};

struct TargetType {
  TargetKind kind = TargetKind::text;
  /// integer: bits; numeric: digits in all (0: no limit); text and character: characters (0: no
  /// limit); timestamp, timestamptz and time: digits of the fraction.
  int limit = 0;
  int scale = 0;                      ///< numeric with a limit: digits behind the point
  std::vector<std::string> labels{};  ///< of an enumeration
  bool operator==(const TargetType&) const = default;
};

/// `text` as format_type() has it: "character varying(20)", "numeric(10,2)". Nothing for types
/// that lockstep cannot fill exactly.
[[nodiscard]] std::optional<TargetType> parse_target_type(std::string_view text);

/// The server has no comparison of it with the type that its values travel as: none for keys.
[[nodiscard]] bool needs_cast(TargetKind kind);

/// Why the value, which is not NULL, cannot be in such a column as it is; empty: it can. Texts are
/// valid UTF-8 without NUL. An instant may have a zone or none, or be a number of milliseconds:
/// what all of a column's have in common is decided elsewhere.
[[nodiscard]] std::string_view misfit_of_target(const ValueView& value, const TargetType& type);

}  // namespace lockstep
