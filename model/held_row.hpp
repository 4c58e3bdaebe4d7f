// A row that waits in quarantine, as lockstep.quarantine keeps it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lockstep {

/// Of a longer value this much is kept; the source has the whole.
inline constexpr std::size_t kHeldValueBytesMax = std::size_t{1} << 20;
/// A quarantine of more rows is no list of exceptions: then the column has the wrong type.
inline constexpr std::uint64_t kHeldRowsMax = 100'000;

struct HeldRow {
  std::uint32_t table = 0;
  std::string table_name{};
  std::string key{};        ///< exact, as wire::encode_key writes it
  std::string column{};     ///< the first one whose value does not fit
  std::string value{};      ///< exact up to kHeldValueBytesMax, as wire::encode_value writes it
  std::uint64_t bytes = 0;  ///< of the whole value; a number has 8
  std::string code{};
  std::string reason{};
};

}  // namespace lockstep
