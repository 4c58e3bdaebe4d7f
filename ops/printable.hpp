// Names and foreign texts on their way to a terminal or a log. Pure.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::ops {

/// `text` as one line that obeys nobody: control characters (newlines, ANSI escapes, C1), the marks
/// that turn the direction of writing around and bytes that are not UTF-8 are spelled \x1b.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace lockstep::ops
