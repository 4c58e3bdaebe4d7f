// The type of a column whose few odd values go to the quarantine. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/shape.hpp"
#include "model/type_map.hpp"

namespace lockstep::snapshot {

struct Majority {
  ColumnType type = ColumnType::text;
  std::uint64_t odd = 0;  ///< values that do not fit it
  std::string example{};  ///< the first row of one of them, as the census has it
};

/// The storage class that most values have decides; of equals the one that is declared. Integers
/// and reals of a NUMERIC column count together where numeric holds both. Nothing if there are no
/// odd values.
[[nodiscard]] std::optional<Majority> majority_type(const Column& column,
                                                    const ColumnCensus& census, ColumnUse use);

}  // namespace lockstep::snapshot
