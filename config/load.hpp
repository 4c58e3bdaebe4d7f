// From a configuration file to settings, or to every problem it has.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.hpp"
#include "config/settings.hpp"

namespace lockstep::config {

struct Loaded {
  Settings settings;  ///< complete if `problems` is empty
  std::vector<Problem> problems;
  std::map<std::string, int> lines;  ///< JSON pointer to line of everything in the file
  std::string folder;                ///< where relative paths start; empty if it came from no file
  bool target_written_out = false;   ///< the file itself has the DSN, not ${env:..} or ${file:..}
  bool others_can_read = false;
};

using Variable = std::function<std::optional<std::string>(const std::string&)>;

/// All problems at once, in the order of the file. `variable` answers ${env:NAME}.
[[nodiscard]] Loaded load_text(std::string_view text, const Variable& variable);

/// Throws Error LS-C130 (exit 2) if the file cannot be read, LS-C131 (exit 3) if others than its
/// owner and root could have written it.
[[nodiscard]] Loaded load_file(const std::string& path);

/// LS-C130, with every problem; `name` is what the file is called. Only if there are problems.
[[noreturn]] void throw_problems(const std::string& name, const std::vector<Problem>& problems);

/// The JSON Schema (draft-07) of the file, for editors.
[[nodiscard]] std::string_view schema_text();

}  // namespace lockstep::config
