// What the pages promise a reader: every link leads to a file that is there, every anchor to a
// heading, and the newest version of the changelog is the one that is built.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
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

/// The version in `## [1.2.3] - date` or `## 1.2.3`, the first heading of the second level.
std::optional<std::string> newest_version(const std::vector<std::string>& changelog) {
  static const std::regex pattern{R"(^## \[?v?(\d+\.\d+\.\d+)\]?.*)"};
  for (const std::string& line : changelog) {
    std::smatch match;
    if (!line.starts_with("## ")) continue;
    if (std::regex_match(line, match, pattern)) return match[1];
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> project_version(const std::vector<std::string>& cmake) {
  static const std::regex pattern{R"(^project\(lockstep VERSION (\d+\.\d+\.\d+).*)"};
  for (const std::string& line : cmake) {
    std::smatch match;
    if (std::regex_match(line, match, pattern)) return match[1];
  }
  return std::nullopt;
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

TEST_CASE("the version is the same in CMakeLists.txt and at the top of the changelog") {
  CHECK(newest_version({"# Changelog", "", "## [1.2.3] - 2024-06-07", "## [1.2.2]"}) == "1.2.3");
  CHECK(newest_version({"## 0.4.0"}) == "0.4.0");
  CHECK_FALSE(newest_version({"## Unreleased", "## 0.4.0"}));
  CHECK(project_version({"project(lockstep VERSION 4.5.6 LANGUAGES CXX)"}) == "4.5.6");
  const auto project = project_version(prose(kRoot / "CMakeLists.txt"));
  REQUIRE(project);
  CHECK(newest_version(prose(kRoot / "CHANGELOG.md")).value_or("no version") == *project);
}
