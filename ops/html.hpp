// HTML and XML of names and texts that come from databases. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::ops {

/// For between tags and inside quotes: printable(), and nothing in it is markup.
[[nodiscard]] std::string escaped(std::string_view text);
/// Appends <tr> with one escaped cell per text; `tag` is td or th.
void html_row(std::string& page, const std::vector<std::string>& cells, const char* tag = "td");
/// Everything before the first heading, that heading included. The page loads nothing and runs no
/// script.
[[nodiscard]] std::string html_head(std::string_view title);
inline constexpr std::string_view kHtmlEnd = "</body>\n</html>\n";

}  // namespace lockstep::ops
