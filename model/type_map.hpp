// Which PostgreSQL type a column gets, decided from the values that are there. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/extremes.hpp"
#include "model/formats.hpp"
#include "model/promise.hpp"
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
  /// Reals in a column of NUMERIC affinity that SQLite would have made integers (5.0): only a
  /// schema edited by hand leaves them behind.
  std::uint64_t whole_reals = 0;
  std::string whole_real_example{};
  std::uint64_t bytes_max = 0;     ///< longest text or blob
  std::uint64_t cast_misfits = 0;  ///< values that the rule's cast leaves without a fit
  std::string cast_misfit_example{};
  PromiseCensus promise{};
  std::uint64_t target_misfits = 0;  ///< values that the column on the target cannot hold
  std::string target_misfit_example{};
  Extremes extremes{};
  Formats formats{};
};

struct TableCensus {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< of the values; a number counts as 8
  bool whole = true;        ///< false: only the first rows were read
  std::vector<ColumnCensus> columns;
  std::uint64_t row_bytes_max = 0;  ///< on a page of PostgreSQL; 0: too few columns to matter
  std::string widest_row{};
};

enum class ColumnUse { key, plain };

/// One type per storage class, if the column holds only one class (NULL aside): bigint, double
/// precision, text, bytea. A column without values goes by its affinity, and where that says
/// nothing (NUMERIC) by its declared type. A plain column of NUMERIC affinity is numeric if it
/// holds integers and reals, or if its declared type promises decimals and it holds nothing else:
/// SQLite keeps the 11.0 of such a column as an integer. Otherwise nothing, and `why` says what was
/// found.
[[nodiscard]] std::optional<ColumnType> decide_type(const Column& column,
                                                    const ColumnCensus& census, ColumnUse use,
                                                    std::string& why);

/// The type of the class a column without values would get first.
[[nodiscard]] ColumnType default_type(const Column& column, ColumnUse use);

}  // namespace lockstep
