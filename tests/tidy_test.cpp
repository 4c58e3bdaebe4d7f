// What a reviewer would have to remember: who may include whom, and the housekeeping of the tree.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {
namespace fs = std::filesystem;

struct Folder {
  std::string_view name;
  int rank;
};

/// A file may include its own folder and folders of lower rank. Equal ranks never include each
/// other.
constexpr std::array<Folder, 11> kFolders{{{"model", 0},
                                           {"link/sqlite", 1},
                                           {"link/postgres", 1},
                                           {"link/wire", 1},
                                           {"config", 1},
                                           {"capture", 2},
                                           {"snapshot", 2},
                                           {"apply", 2},
                                           {"verify", 2},
                                           {"switchover", 3},
                                           {"ops", 4}}};

/// Foreign headers that one folder keeps to itself.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kForeign{
    {{"sqlite3.h", "link/sqlite"},
     {"libpq-fe.h", "link/postgres"},
     {"zmq.hpp", "link/wire"},
     {"zmq.h", "link/wire"},
     {"sodium.h", "link/wire"},
     {"boost/", "ops"}}};

constexpr std::size_t kLinesMax = 400;
/// Files that are longer, and how long they may be at most. Only ever shrink this list.
const std::vector<std::pair<std::string, std::size_t>> kLongFiles{};

/// The product folder of a path relative to the root, also for deeper files; nothing outside of
/// them.
std::optional<Folder> folder_of(std::string_view path) {
  for (const Folder& folder : kFolders)
    if (path.starts_with(folder.name) && path.substr(folder.name.size()).starts_with('/'))
      return folder;
  return std::nullopt;
}

/// Why `line` may not stand in the file `path`; nothing if it may.
std::optional<std::string> bad_include(std::string_view path, const std::string& line) {
  static const std::regex pattern{R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)"};
  const auto own = folder_of(path);
  std::smatch match;
  if (!own || !std::regex_match(line, match, pattern)) return std::nullopt;
  const std::string header = match[2];
  for (const auto& [foreign, home] : kForeign) {
    const bool same = foreign.ends_with('/') ? header.starts_with(foreign) : header == foreign;
    if (same && own->name != home) return header + " belongs under " + std::string{home};
  }
  if (header.starts_with("asio") && own->name != "ops") return header + " belongs under ops";
  if (match[1] != "\"") return std::nullopt;
  const auto other = folder_of(header);
  if (!other) return header + " is not a path from the root to a product folder";
  if (other->name == own->name || other->rank < own->rank) {
    // Settings stop at ops: the parts below take small structs of their own.
    if (other->name == "config" && own->name != "config" && own->name != "ops")
      return std::string{own->name} + " may not include config";
    return std::nullopt;
  }
  return std::string{own->name} + " may not include " + std::string{other->name};
}

/// Data reaches PostgreSQL as parameters or binary COPY; what a statement is built of are names of
/// the schema. Why `line` of the file `path` says otherwise; nothing if it does not.
std::optional<std::string> built_sql(std::string_view path, const std::string& line) {
  static const std::regex quotes{R"re('\{[^}]*\}'|'" *\+|\+ *"')re"};
  static const std::regex literals{R"(postgres::literal\b)"};
  static const std::regex sending{R"(\bPQ(exec|send)\w*\()"};
  static const std::set<std::string_view> may_quote{"link/postgres/names.cpp", "ops/names.cpp"};
  // Names of the migration, of tables and of roles, and constants of the source's own DEFAULTs and
  // CHECKs: DDL takes no parameters; names of settings, eras. No values of rows.
  static const std::set<std::string_view> may_have_literals{"apply/defaults.cpp",
                                                            "apply/guard.cpp",
                                                            "apply/ledger.cpp",
                                                            "apply/target_schema.cpp",
                                                            "apply/translate.cpp",
                                                            "ops/roles.cpp",
                                                            "verify/query_pair.cpp",
                                                            "verify/range_sql.cpp",
                                                            "switchover/fence_sql.cpp",
                                                            "switchover/postgres_side.cpp",
                                                            "switchover/control_rows.cpp",
                                                            "switchover/cutover_commit.cpp",
                                                            "switchover/sequences.cpp",
                                                            "switchover/reverse_log.cpp",
                                                            "switchover/reverse_rows.cpp"};
  static const std::set<std::string_view> may_send{
      "link/postgres/connection.cpp", "link/postgres/copy.cpp", "link/postgres/pipeline.cpp"};
  if (std::regex_search(line, quotes) && !may_quote.contains(path))
    return "puts something between quotes itself";
  if (std::regex_search(line, literals) && !may_have_literals.contains(path))
    return "writes a literal into a statement";
  if (std::regex_search(line, sending) && !may_send.contains(path))
    return "sends a statement past the connection";
  return std::nullopt;
}

bool unfinished(const std::string& line) {
  static const std::regex pattern{R"(\b(TODO|FIXME|XXX)\b)"};
  return std::regex_search(line, pattern);
}

/// True if the first line of code is #pragma once: before it, only comments and empty lines.
bool guarded(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    if (line.empty() || line.starts_with("//")) continue;
    return line == "#pragma once";
  }
  return false;
}

/// What the first #include names; empty if there is none.
std::string first_include(const std::vector<std::string>& lines) {
  static const std::regex pattern{R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*)"};
  std::smatch match;
  for (const std::string& line : lines)
    if (std::regex_match(line, match, pattern)) return match[1];
  return {};
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

const fs::path kRoot = LOCKSTEP_SOURCE_DIR;

struct SourceFile {
  std::string path;  ///< from the root
  std::vector<std::string> lines;
  [[nodiscard]] bool is(std::string_view extension) const { return path.ends_with(extension); }
  [[nodiscard]] bool is_cpp() const { return is(".cpp") || is(".hpp"); }
};

/// Every text file of the product folders.
const std::vector<SourceFile>& product_files() {
  static const std::vector<SourceFile> files = [] {
    static const std::set<std::string> text{".cpp",  ".hpp", ".sh",   ".py", ".sql",
                                            ".html", ".js",  ".json", ".md"};
    std::vector<SourceFile> found;
    for (const Folder& folder : kFolders) {
      if (!fs::exists(kRoot / folder.name)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder.name))
        if (entry.is_regular_file() && text.contains(entry.path().extension().string()))
          found.push_back({fs::relative(entry.path(), kRoot).string(), lines_of(entry.path())});
    }
    return found;
  }();
  return files;
}

using Complaints = std::vector<std::string>;

}  // namespace

TEST_CASE("files include their own folder and folders of lower rank only", "[unit]") {
  REQUIRE_FALSE(product_files().empty());
  Complaints complaints;
  for (const SourceFile& file : product_files()) {
    if (!file.is_cpp()) continue;
    for (std::size_t number = 0; number < file.lines.size(); ++number)
      if (const auto why = bad_include(file.path, file.lines[number]))
        complaints.push_back(file.path + ":" + std::to_string(number + 1) + ": " + *why);
  }
  CHECK(complaints == Complaints{});
}

TEST_CASE("the include check finds planted lines and lets good ones pass", "[unit]") {
  const std::vector<std::pair<std::string, std::string>> bad{
      {"model/a.cpp", "#include \"link/sqlite/database.hpp\""},
      {"model/a.cpp", "#include \"ops/log.hpp\""},
      {"link/wire/a.hpp", "#include \"link/sqlite/database.hpp\""},
      {"link/postgres/a.hpp", "#include \"link/wire/message.hpp\""},
      {"link/sqlite/a.hpp", "#include \"config/settings.hpp\""},
      {"config/a.hpp", "#include \"link/postgres/dsn.hpp\""},
      {"capture/a.cpp", "#include \"apply/applier.hpp\""},
      {"capture/a.cpp", "#include \"config/settings.hpp\""},
      {"verify/a.cpp", " #  include  \"snapshot/reader.hpp\"  // why"},
      {"apply/a.cpp", "#include \"ops/pipeline.hpp\""},
      {"capture/deep/a.cpp", "#include \"ops/pipeline.hpp\""},
      {"capture/a.cpp", "#include \"neighbour.hpp\""},
      {"capture/a.cpp", "#include \"tests/support/seed.hpp\""},
      {"capture/a.cpp", "#include <sqlite3.h>"},
      {"ops/a.cpp", "#include <sqlite3.h>"},
      {"ops/a.cpp", "#include \"libpq-fe.h\""},
      {"link/sqlite/a.cpp", "#include <libpq-fe.h>"},
      {"apply/a.cpp", "#include <zmq.hpp>"},
      {"ops/a.cpp", "#include <zmq.h>"},
      {"link/wire/a.cpp", "#include <boost/asio.hpp>"},
      {"apply/a.cpp", "#include <asio.hpp>"}};
  for (const auto& [path, line] : bad) {
    INFO(path << ": " << line);
    CHECK(bad_include(path, line));
  }
  const std::vector<std::pair<std::string, std::string>> good{
      {"model/a.cpp", "#include \"model/value.hpp\""},
      {"capture/a.cpp", "#include \"link/sqlite/database.hpp\""},
      {"capture/a.cpp", "#include \"capture/tail.hpp\""},
      {"capture/a.cpp", "// #include \"ops/pipeline.hpp\""},
      {"capture/a.cpp", "#include <string>"},
      {"link/sqlite/a.cpp", "#include <sqlite3.h>"},
      {"link/postgres/a.cpp", "#include <libpq-fe.h>"},
      {"link/wire/a.cpp", "#include <zmq.hpp>"},
      {"ops/a.cpp", "#include \"config/settings.hpp\""},
      {"ops/a.cpp", "#include <boost/asio.hpp>"},
      {"tests/a.cpp", "#include <sqlite3.h>"}};
  for (const auto& [path, line] : good) {
    INFO(path << ": " << line);
    CHECK_FALSE(bad_include(path, line));
  }
}

TEST_CASE("statements are not built of data", "[unit]") {
  CHECK(built_sql("apply/a.cpp", R"(exec("SELECT '" + value + "'");)"));
  CHECK(built_sql("apply/a.cpp", R"(fmt::format("WHERE x = '{}'", value))"));
  CHECK(built_sql("ops/a.cpp", "using postgres::literal;"));
  CHECK(built_sql("link/postgres/encode.cpp", "PQexec(handle, sql)"));
  CHECK_FALSE(built_sql("apply/ledger.cpp", "using postgres::literal;"));
  CHECK_FALSE(built_sql("apply/a.cpp", R"(query("SELECT $1", {value}))"));
  Complaints complaints;
  for (const SourceFile& file : product_files()) {
    if (!file.is_cpp()) continue;
    for (std::size_t number = 0; number < file.lines.size(); ++number)
      if (const auto why = built_sql(file.path, file.lines[number]))
        complaints.push_back(file.path + ":" + std::to_string(number + 1) + ": " + *why);
  }
  CHECK(complaints == Complaints{});
}

TEST_CASE("a source includes its own header first, so that the header leans on nothing", "[unit]") {
  CHECK(first_include({"// What it is.", "#include \"a/b.hpp\"", "#include <string>"}) ==
        "a/b.hpp");
  CHECK(first_include({"#include <string>", "#include \"a/b.hpp\""}) == "string");
  Complaints complaints;
  for (const SourceFile& file : product_files()) {
    if (!file.is(".cpp")) continue;
    const std::string header = fs::path{file.path}.replace_extension(".hpp").string();
    if (fs::exists(fs::path{LOCKSTEP_SOURCE_DIR} / header) && first_include(file.lines) != header)
      complaints.push_back(file.path);
  }
  CHECK(complaints == Complaints{});
}

// Some builds join the files of a folder: a constant of one would clash with its neighbour's, or,
// silently, stand for one of a header.
TEST_CASE("a constant's name is there once in a folder, and in no header", "[unit]") {
  const std::regex constant(R"(^(?:inline )?constexpr [^(]*?\b(k[A-Z]\w*)\b *(\[|\{|=|$))");
  std::map<std::pair<std::string, std::string>, std::string> first;
  std::map<std::string, std::string> in_headers;
  Complaints complaints;
  for (const SourceFile& file : product_files())
    for (const std::string& line : file.lines)
      if (std::smatch found;
          file.path.ends_with(".hpp") && std::regex_search(line, found, constant))
        in_headers.emplace(found[1], file.path);
  for (const SourceFile& file : product_files()) {
    if (!file.path.ends_with(".cpp")) continue;
    const std::string folder = file.path.substr(0, file.path.rfind('/'));
    for (const std::string& line : file.lines) {
      std::smatch found;
      if (!std::regex_search(line, found, constant)) continue;
      if (const auto known = in_headers.find(found[1]); known != in_headers.end())
        complaints.push_back(file.path + ": " + found[1].str() + ", as in " + known->second);
      const auto [there, fresh] = first.try_emplace({folder, found[1]}, file.path);
      if (!fresh)
        complaints.push_back(file.path + ": " + found[1].str() + ", as in " + there->second);
    }
  }
  CHECK(first.size() > 100);
  CHECK(in_headers.size() > 50);
  CHECK(complaints == Complaints{});
}

TEST_CASE("every header begins with its guard", "[unit]") {
  CHECK(guarded({"// What it is.", "", "#pragma once"}));
  CHECK_FALSE(guarded({"#include <string>", "#pragma once"}));
  CHECK_FALSE(guarded({"// Nothing."}));
  Complaints complaints;
  for (const SourceFile& file : product_files())
    if (file.is(".hpp") && !guarded(file.lines)) complaints.push_back(file.path);
  CHECK(complaints == Complaints{});
}

TEST_CASE("the product has no unfinished places", "[unit]") {
  CHECK(unfinished(std::string{"x();  // TO"} + "DO: more"));
  CHECK(unfinished(std::string{"/* FIX"} + "ME */"));
  CHECK(unfinished(std::string{"# XX"} + "X"));
  CHECK_FALSE(unfinished("std::string todo; mkdtemp(\"ls-XXXXXX\")"));
  Complaints complaints;
  for (const SourceFile& file : product_files())
    for (std::size_t number = 0; number < file.lines.size(); ++number)
      if (unfinished(file.lines[number]))
        complaints.push_back(file.path + ":" + std::to_string(number + 1));
  CHECK(complaints == Complaints{});
}

TEST_CASE("the failpoints of the product are those of the list", "[unit]") {
  std::set<std::string> listed, used;
  for (const std::string& line : lines_of(kRoot / "tests/data/failpoints.txt"))
    if (!line.empty() && line[0] != '#') listed.insert(line.substr(0, line.find(' ')));
  static const std::regex pattern{R"re(LOCKSTEP_FAILPOINT\("([^"]*)"\))re"};
  for (const SourceFile& file : product_files())
    for (const std::string& line : file.lines)
      for (std::sregex_iterator at{line.begin(), line.end(), pattern}, end; at != end; ++at)
        used.insert((*at)[1]);
  CHECK(used.size() >= 20);
  CHECK(listed == used);
}

// What people run has no failpoints: the option is off unless a preset for tests sets it, and code
// that is not behind the macro would stay in.
TEST_CASE("failpoints are for test builds only", "[unit]") {
  Complaints complaints;
  for (const SourceFile& file : product_files()) {
    if (!file.is_cpp() || file.path.starts_with("model/failpoint.")) continue;
    for (const std::string& line : file.lines)
      if (line.find("failpoint(") != std::string::npos || line.find("#ifdef LOCKSTEP_FAIL") == 0)
        complaints.push_back(file.path + ": " + line);
  }
  CHECK(complaints == Complaints{});
  std::set<std::string> with;
  static const std::regex name{R"re("name": "([a-z]+)")re"};
  std::string preset;
  for (const std::string& line : lines_of(kRoot / "CMakePresets.json")) {
    std::smatch match;
    if (std::regex_search(line, match, name)) preset = match[1];
    if (line.find("\"LOCKSTEP_FAILPOINTS\": \"ON\"") != std::string::npos) with.insert(preset);
  }
  CHECK(with == std::set<std::string>{"asan", "dev", "tsan"});
  const std::vector<std::string> cmake = lines_of(kRoot / "CMakeLists.txt");
  CHECK(std::any_of(cmake.begin(), cmake.end(), [](const std::string& line) {
    return line.starts_with("option(LOCKSTEP_FAILPOINTS ") && line.ends_with(" OFF)");
  }));
}

TEST_CASE("files stay short", "[unit]") {
  Complaints complaints;
  std::size_t excused = 0;
  for (const SourceFile& file : product_files()) {
    const auto known = std::find_if(kLongFiles.begin(), kLongFiles.end(),
                                    [&](const auto& entry) { return entry.first == file.path; });
    const bool listed = known != kLongFiles.end();
    if (listed) ++excused;
    if (file.lines.size() > (listed ? known->second : kLinesMax))
      complaints.push_back(file.path + " has " + std::to_string(file.lines.size()) + " lines");
    if (listed && file.lines.size() <= kLinesMax)
      complaints.push_back(file.path + " is short now: take it off the list");
  }
  CHECK(complaints == Complaints{});
  CHECK(excused == kLongFiles.size());
}

TEST_CASE("every folder of the product has a README", "[unit]") {
  Complaints complaints;
  for (const Folder& folder : kFolders) {
    const bool has_sources =
        std::any_of(product_files().begin(), product_files().end(), [&](const SourceFile& file) {
          return file.is_cpp() && folder_of(file.path)->name == folder.name;
        });
    if (has_sources && !fs::exists(kRoot / folder.name / "README.md"))
      complaints.push_back(std::string{folder.name} + "/README.md is missing");
  }
  CHECK(complaints == Complaints{});
}
