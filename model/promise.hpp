// What a declared type promises beyond a storage class, whether the values keep it, and the type
// the column gets then. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep {

/// uuid_text is CHAR(32) or CHAR(36), which may as well hold other texts.
enum class Promise : std::uint8_t { none, boolean, date, instant, uuid, uuid_text, json };

/// By words of the declared type, in columns of NUMERIC affinity: BOOL, DATETIME, TIMESTAMP, DATE,
/// UUID, GUID, UNIQUEIDENTIFIER, JSON. TEXT columns promise nothing but text, or JSON if checked.
[[nodiscard]] Promise promise_of(const Column& column);

/// What the census found of the promise. Once a value breaks it, no more values are tried.
struct PromiseCensus {
  bool broken = false;
  std::string broken_by{};            ///< the first row that breaks it, as census examples are
  std::uint64_t kept = 0;             ///< values that keep it
  std::uint64_t spellings = 0;        ///< as in ColumnSpelling
  std::uint64_t milliseconds = 0;     ///< integers that are instants as JavaScript counts them
  std::uint64_t empty_fractions = 0;  ///< instants with a fraction that is written, and 0
};

/// What an integer is where an instant is promised: nobody knows, so one before 1973 may be seconds
/// of a later year; or whoever made the file counts milliseconds, always.
enum class Integers : std::uint8_t { unknown, milliseconds };

/// True if `value`, which is not NULL, keeps the promise; counts it then. What is broken by two
/// values together (a zone here and none there) shows in `spellings`.
[[nodiscard]] bool keeps(Promise promise, const ValueView& value, PromiseCensus& census,
                         Integers integers = Integers::unknown);

/// Adds what another reader of the same column found.
void add(PromiseCensus& sum, const PromiseCensus& other);

/// "the type that at (DATETIME) promises": how sentences begin that say why a column lacks it.
[[nodiscard]] std::string promised_type(const Column& column);

struct Usable {
  std::optional<ColumnType> type;  ///< nothing: the column keeps the type of its class
  ColumnSpelling spelling;
  std::string why_not;  ///< one sentence for the user if a promise was made and is not kept
};

/// How a column's values are told apart on PostgreSQL.
enum class Distinction : std::uint8_t {
  none,     ///< in no index
  indexed,  ///< in an index
  unique,   ///< in a unique index: two spellings of one value must not meet there
  key
};

/// Why the values together cannot have the type that the promise is worth, though each of them
/// keeps it (two spellings of one value in a unique index); empty: they can.
[[nodiscard]] std::string_view obstacle(Promise promise, const PromiseCensus& census,
                                        Distinction distinction);

/// The type that the promise is worth, where every value keeps it and none meets another.
[[nodiscard]] Usable usable_type(const Column& column, const PromiseCensus& census,
                                 Distinction distinction);

}  // namespace lockstep
