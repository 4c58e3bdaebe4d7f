// What a person sees of the formats of a column, and the type that a line of the configuration
// would make of it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/type_map.hpp"

namespace lockstep::ops {

/// Formats of texts, and of numbers in a column that is declared or named like a moment: "epoch-s",
/// "epoch-ms", "epoch-us", "julian day"; in booleans "0/1". How many values each.
[[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> formats_of(
    const Column& column, const ColumnCensus& census);

/// False where a rule could make two values one that have to stay apart.
[[nodiscard]] bool may_be_converted(const TableShape& shape, std::size_t column);

/// "columns": { "t.c": { "type": "epoch-ms" } }, as the configuration has it.
[[nodiscard]] std::string type_line(const TableShape& shape, std::size_t column,
                                    const std::string& type);

/// The `type` of a rule that carries every value of the column for what it means: a moment, a day,
/// yes or no, a UUID, JSON. Of several storage classes too. Empty: none is sure.
[[nodiscard]] std::string meaning_of(const Column& column, const ColumnCensus& census,
                                     Integers counted_in = Integers::unknown);

}  // namespace lockstep::ops
