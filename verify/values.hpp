// The cells of both engines as values that can be compared, and as bytes that can be hashed.
//
// Shares no conversion with capture and apply (numeric's way back is used here only): a mistake in
// theirs must show here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::verify {

/// What the application's file holds. Where the type keeps only what a text means (an instant, a
/// UUID), the text is spelled as canonical values are; one that has no such meaning stays as it is
/// and equals nothing. `out` keeps its memory from call to call.
void read_source(Value& out, const ValueView& value, ColumnType type);

/// What PostgreSQL holds: a field in binary format, nothing for NULL. Bytes that are none of
/// `type` come as a blob and equal nothing.
void read_target(Value& out, const std::optional<std::string_view>& field, ColumnType type);

/// Appends the canonical bytes of a value (verify/README.md): two values are the same if and only
/// if these are.
void append_canonical(std::string& out, const ValueView& value);

/// XXH3-64 of the canonical bytes of all values of a row. `scratch` keeps its memory.
[[nodiscard]] std::uint64_t row_hash(const std::vector<Value>& row, std::string& scratch);

/// The same of one value.
[[nodiscard]] std::uint64_t value_hash(const Value& value);

}  // namespace lockstep::verify
