#include "tests/support/fault.hpp"

#include <errno.h>
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

namespace lockstep::test {

namespace fs = std::filesystem;

// One file for each fault and test, so that programs that run side by side do not meet.
void saw_fault(std::string_view id, std::string_view seen) {
  const std::string test = Catch::getResultCapture().getCurrentTestName();
  std::string name = fmt::format("{}.{}.{}", id, program_invocation_short_name, test);
  std::replace(name.begin(), name.end(), '/', ' ');
  fs::create_directories(TEST_FAULTS_DIR);
  std::ofstream file(fs::path(TEST_FAULTS_DIR) / name.substr(0, 250));
  file << id << '\t' << program_invocation_short_name << '\t' << test << '\t' << seen << '\n';
  REQUIRE(file.flush());
}

}  // namespace lockstep::test
