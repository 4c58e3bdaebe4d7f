// Which files belong to a source, and whether a path that somebody typed is one of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lockstep::ops {

/// The database, and what SQLite and lockstep keep beside it, whether it is there now or not: a
/// file of another kind in its place would be taken for it.
[[nodiscard]] std::vector<std::string> files_of_source(const std::string& source);

/// The one of `files` that `path` names: by its spelling, through links, or as a second name.
[[nodiscard]] std::optional<std::string> named_among(const std::string& path,
                                                     const std::vector<std::string>& files);

}  // namespace lockstep::ops
