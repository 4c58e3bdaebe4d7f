// What JSON means, as one spelling of it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::verify {

/// The same for two texts that jsonb takes for equal: members in order of their names, of a name
/// that comes twice the last, strings without escapes, numbers by their decimal digits (1.50, 1.5
/// and 15e-1 are one). What is no JSON stays as it is.
[[nodiscard]] std::string json_meaning(std::string_view text);

}  // namespace lockstep::verify
