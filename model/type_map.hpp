// Which PostgreSQL type a column gets, decided from the values that are there. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep {

/// What a full scan found in one column.
struct ColumnCensus {
  std::array<std::uint64_t, 5> count{};  ///< per ValueClass
  std::array<std::string, 5> example{};  ///< first row of each class: "id=4 1.5"
  std::uint64_t nul_texts = 0;           ///< texts that contain U+0000
  std::uint64_t invalid_texts = 0;       ///< texts that are not UTF-8
  std::string bad_text_example{};
  std::uint64_t bytes_max = 0;  ///< longest text or blob
};

struct TableCensus {
  std::uint64_t rows = 0;
  std::vector<ColumnCensus> columns;
};

/// One type per storage class, if the column holds only one class (NULL aside): bigint, double
/// precision, text, bytea. A column without values goes by its affinity, and where that says
/// nothing (NUMERIC) by its declared type. Otherwise nothing, and `why` says what was found.
[[nodiscard]] std::optional<ColumnType> decide_type(const Column& column,
                                                    const ColumnCensus& census, std::string& why);

/// The type of the class a column without values would get first.
[[nodiscard]] ColumnType default_type(const Column& column);

}  // namespace lockstep
