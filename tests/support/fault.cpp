#include "tests/support/fault.hpp"

#include <errno.h>
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <ios>
#include <set>
#include <string>

namespace lockstep::test {

namespace fs = std::filesystem;

namespace {

// One file for each fault and test, so that programs that run side by side do not meet. What an
// earlier run wrote goes; a test's other sections and cases add to it.
void note(std::string_view id, std::string_view seen) {
  static std::set<std::string> begun;
  const std::string test = Catch::getResultCapture().getCurrentTestName();
  std::string name = fmt::format("{}.{}.{}", id, program_invocation_short_name, test);
  std::replace(name.begin(), name.end(), '/', ' ');
  fs::create_directories(TEST_FAULTS_DIR);
  std::ofstream file(fs::path(TEST_FAULTS_DIR) / name.substr(0, 250),
                     begun.insert(name).second ? std::ios::trunc : std::ios::app);
  file << id << '\t' << program_invocation_short_name << '\t' << test << '\t' << seen << '\n';
  REQUIRE(file.flush());
}

}  // namespace

void saw_fault(std::string_view id, std::string_view seen) {
  note(id, seen);
}

void skipped_fault(std::string_view id, std::string_view why) {
  WARN("SKIP: fault " << id << ": " << why);
  note(id, fmt::format("SKIP: {}", why));
}

}  // namespace lockstep::test
