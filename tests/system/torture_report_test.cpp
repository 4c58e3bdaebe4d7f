// torture_public.sql, table by table: what its authors demand (tests/data/torture_demands.txt)
// against what lockstep does. The page tests/torture.md is what this program saw.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/support/seed.hpp"
#include "tests/system/carried.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

struct Seen {
  bool carried = true;
  std::set<std::string> blockers, reported;  ///< codes
};

std::vector<std::pair<char, std::string>> demands() {
  std::vector<std::pair<char, std::string>> found;
  std::istringstream lines{contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_demands.txt")};
  for (std::string line; std::getline(lines, line);)
    if (line.size() > 2 && line[0] != '#') found.emplace_back(line[0], line.substr(2));
  return found;
}

nlohmann::json assessment(const std::string& file) {
  const Outcome outcome = lockstep({"assess", file, "--json"});
  require_code(outcome, 3);
  std::istringstream lines{outcome.output};
  for (std::string line; std::getline(lines, line);)
    if (auto one = nlohmann::json::parse(line); one.value("type", "") == "assessment") return one;
  FAIL("no assessment: " << outcome.output);
  return {};
}

std::map<std::string, Seen> assessed(const std::string& file) {
  std::map<std::string, Seen> tables;
  const nlohmann::json page = assessment(file);
  for (const auto& table : page["tables"])
    tables[table["name"]].carried = table["carried"].get<bool>();
  for (const auto& finding : page["findings"]) {
    if (finding["code"] == "LS-A114") continue;  // of all foreign keys at once
    const std::string what = finding["what"], named = finding["table"];
    // A virtual table is no table of the assessment: its name is in the sentence.
    const std::string name = named.empty() ? what.substr(0, what.find_first_of(": ")) : named;
    Seen& seen = tables[name];
    if (named.empty()) seen.carried = false;
    (finding["severity"] == "blocker" ? seen.blockers : seen.reported).insert(finding["code"]);
  }
  return tables;
}

/// What is wrong with `seen` by the demand; empty: nothing.
std::string complaint(char demand, const Seen& seen) {
  const bool named = !seen.blockers.empty() || !seen.reported.empty();
  if (!seen.carried && !named) return "it is left out without a word";
  if (demand == 'E' && !seen.carried) return "it is refused, and has to be exact";
  if (demand == 'R' && seen.carried) return "it is carried, and cannot be exact";
  return "";
}

std::string row(char demand, const std::string& name, const Seen& seen) {
  std::string shown;
  for (const char c : name)
    shown += c == '|' || c == '`' ? std::string("\\") + c : std::string(1, c);
  return fmt::format("| {} | {} | {} | {} |\n", shown, demand, seen.carried ? "equal" : "refused",
                     fmt::join(seen.carried            ? seen.reported
                               : seen.blockers.empty() ? seen.reported
                                                       : seen.blockers,
                               ", "));
}

void follow_the_writer(const std::string& file, const std::string& dsn,
                       const std::string& without) {
  const auto following = start_lockstep({"run", file, dsn, "--exclude", without});
  require_caught_up(*following, file);
  require_code(run({"python3", LOCKSTEP_SOURCE_DIR "/tests/data/workload_public.py", file, "--seed",
                    std::to_string(test_seed() % 1'000'000'007), "--txns", "300", "--writers", "1",
                    "--fk", "mixed", "--recursive", "mixed", "--ddl", "--vacuum"}),
               0);
  require_caught_up(*following, file);
  following->signal(SIGTERM);
  CHECK(following->wait_or_throw(20s) == ExitStatus{.code = 143});
}

std::vector<std::string> followed(const PostgresServer& server, const std::string& database) {
  std::vector<std::string> names;
  for (const auto& row : server.query("SELECT name FROM lockstep.ledger_tables", database))
    names.push_back(row[0].value());
  return names;
}

constexpr char kHead[] =
    "# Torture\n\nWritten by `tests/system/torture_report_test.cpp`: do not edit. Each table of "
    "[torture_public.sql](data/torture_public.sql), what it\ndemands, and what became of it: "
    "copied and followed while the hostile writer works (with `--ddl` and `--vacuum`), then "
    "compared "
    "by a\nprogram of its own. E: exact. M: exact or refused by name. R: refused. S: exact, and "
    "what "
    "PostgreSQL does not get is reported or translated.\nN: exact under other names, or refused by "
    "name. The codes are those of what was said, before the first trigger.\n\n"
    "| table | demand | result | said |\n|---|---|---|---|\n";

}  // namespace

TEST_CASE("each table of the torture database is exact, or refused by name, as it demands",
          "[system]") {
  PostgresServer server{{"fsync=off"}};
  const TempDir folder;
  const std::string file = folder.file("torture.db");
  sqlite(file, contents(LOCKSTEP_SOURCE_DIR "/tests/data/torture_public.sql"));
  sqlite(file, "PRAGMA journal_mode = WAL");
  const auto tables = assessed(file);
  std::string page = kHead;
  std::vector<std::string> refused;
  for (const auto& [demand, name] : demands()) {
    INFO(name);
    REQUIRE(tables.count(name) == 1);
    const Seen& seen = tables.at(name);
    CHECK(complaint(demand, seen) == "");
    page += row(demand, name, seen);
    if (!seen.carried && !seen.blockers.empty()) refused.push_back(name);
  }
  CHECK(tables.size() == demands().size());  // a table that nobody demands anything of

  // All of it at rest.
  const std::string dsn = server.create_database("rest");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up", "--exclude", listed(refused)}),
               0);
  const std::vector<std::string> carried = followed(server, "rest");
  CHECK(carried.size() + refused.size() == demands().size() - 2);  // but the virtual ones
  require_equal(file, dsn, {"--tables", listed(carried)});
  require_code(lockstep({"remove", file, dsn}), 0);
  // And while the hostile writer works. It puts text into a column of pk_text that had none.
  refused.emplace_back("pk_text");
  follow_the_writer(file, server.create_database("moving"), listed(refused));
  require_equal(file, server.dsn("moving"), {"--tables", listed(followed(server, "moving"))});

  const std::string written = std::string(TEST_BUILD_DIR) + "/torture.md";
  std::ofstream(written) << page;
  INFO("cp " << written << " " LOCKSTEP_SOURCE_DIR "/tests/torture.md");
  CHECK(contents(LOCKSTEP_SOURCE_DIR "/tests/torture.md") == page);
}

}  // namespace lockstep::test
