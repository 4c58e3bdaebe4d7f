// Where in a JSON text with comments each value stands. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::config {

struct LineIndex {
  std::map<std::string, int> lines;  ///< JSON pointer to line, from 1; "" is the whole
  /// Pointers of members that an object has twice. A parser takes the last one without a word.
  std::vector<std::string> repeated;
};

/// `text` must be JSON that a parser has accepted.
[[nodiscard]] LineIndex index_lines(std::string_view text);

/// The line in which byte `offset` (from 0) stands.
[[nodiscard]] int line_of(std::string_view text, std::size_t offset);

/// `parent` with one more step, escaped as RFC 6901 says.
[[nodiscard]] std::string pointer_to(const std::string& parent, std::string_view step);

}  // namespace lockstep::config
