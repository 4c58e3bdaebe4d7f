// What the pages promise a reader: every link leads to a file that is there, every anchor to a
// heading.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {
namespace fs = std::filesystem;

const fs::path kRoot = LOCKSTEP_SOURCE_DIR;

/// The lines outside of code blocks.
std::vector<std::string> prose(const fs::path& page) {
  std::ifstream file(page);
  std::vector<std::string> lines;
  bool code = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```"))
      code = !code;
    else if (!code)
      lines.push_back(line);
  }
  return lines;
}

/// As GitHub makes it: `## Cutover, and back` is #cutover-and-back.
std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading.substr(heading.find_first_not_of("# "))) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ' || c == '-')
      anchor += '-';
    else if (std::isalnum(byte) != 0 || c == '_')
      anchor += static_cast<char>(std::tolower(byte));
  }
  return anchor;
}

std::set<std::string> anchors(const fs::path& page) {
  std::set<std::string> found;
  for (const std::string& line : prose(page))
    if (line.starts_with('#')) found.insert(anchor_of(line));
  return found;
}

std::vector<fs::path> pages() {
  std::vector<fs::path> found;
  const std::set<std::string> not_ours{"build", "node_modules", ".git"};
  for (auto entry = fs::recursive_directory_iterator(kRoot);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->is_directory() && not_ours.contains(entry->path().filename().string()))
      entry.disable_recursion_pending();
    else if (entry->path().extension() == ".md")
      found.push_back(entry->path());
  }
  return found;
}

/// What is wrong with a link on `page`; empty if nothing is.
std::string complaint(const fs::path& page, const std::string& link) {
  const std::size_t hash = link.find('#');
  const std::string path = link.substr(0, hash);
  const fs::path leads_to = path.empty() ? page : page.parent_path() / path;
  if (!fs::exists(leads_to)) return "is not there";
  if (hash == std::string::npos || anchors(leads_to).contains(link.substr(hash + 1))) return {};
  return "has no such heading";
}
}  // namespace

TEST_CASE("an anchor is made of its heading as hosts of Markdown make it") {
  CHECK(anchor_of("## Cutover, and back") == "cutover-and-back");
  CHECK(anchor_of("### `run` by 2_0 - x") == "run-by-2_0---x");
}

TEST_CASE("every link of the pages leads somewhere") {
  const std::regex link{R"(\]\(([^)\s]+)\))"};
  std::vector<std::string> complaints;
  std::size_t links = 0;
  for (const fs::path& page : pages())
    for (const std::string& line : prose(page))
      for (auto it = std::sregex_iterator(line.begin(), line.end(), link);
           it != std::sregex_iterator(); ++it) {
        const std::string target = (*it)[1];
        if (target.starts_with("http")) continue;
        ++links;
        if (const std::string why = complaint(page, target); !why.empty())
          complaints.push_back(fs::relative(page, kRoot).string() + ": " + target + " " + why);
      }
  CHECK(complaints == std::vector<std::string>{});
  CHECK(links > 50);
}
