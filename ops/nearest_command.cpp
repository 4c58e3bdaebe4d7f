#include "ops/nearest_command.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace lockstep::ops {

// CLI11 has no suggestions: the command with the fewest edits, if that is few.
std::string nearest_command(const CLI::App& app, const std::string& typed) {
  const auto distance = [](const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= b.size(); ++j) {
        const std::size_t above = row[j];
        row[j] =
            std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
        diagonal = above;
      }
    }
    return row[b.size()];
  };
  std::string nearest;
  std::size_t fewest = 3;
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (const std::size_t edits = distance(typed, command->get_name()); edits < fewest) {
      fewest = edits;
      nearest = command->get_name();
    }
  return nearest;
}

}  // namespace lockstep::ops
