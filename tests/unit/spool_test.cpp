#include "capture/spool.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <string>

#include "model/error.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::capture {
namespace {

/// TMPDIR as long as the object lives; tests of one program run one after the other.
class TmpDir {
 public:
  explicit TmpDir(const std::string& folder) {
    if (const char* old = std::getenv("TMPDIR")) old_ = old;
    ::setenv("TMPDIR", folder.c_str(), 1);
  }
  ~TmpDir() {
    if (old_)
      ::setenv("TMPDIR", old_->c_str(), 1);
    else
      ::unsetenv("TMPDIR");
  }
  TmpDir(const TmpDir&) = delete;
  TmpDir& operator=(const TmpDir&) = delete;

 private:
  std::optional<std::string> old_;
};

std::string code_of_append(Spool& spool) {
  try {
    spool.append("bytes");
  } catch (const Error& error) {
    return error.code();
  }
  return "none";
}

}  // namespace

TEST_CASE("a spool gives back what came first, whatever the order of appending and taking") {
  std::mt19937_64 random(test::test_seed());
  Spool spool;
  std::string expected;
  CHECK(spool.take(10).empty());
  for (int turn = 0; turn < 300; ++turn) {
    if (random() % 2 == 0) {
      std::string bytes(random() % 5'000, '\0');
      for (char& byte : bytes) byte = static_cast<char>('a' + random() % 26);
      spool.append(bytes);
      expected += bytes;
    } else {
      const std::size_t bytes = random() % 7'000;
      REQUIRE(spool.take(bytes) == expected.substr(0, bytes));
      expected.erase(0, bytes);
    }
    REQUIRE(spool.bytes() == expected.size());
    REQUIRE(spool.empty() == expected.empty());
  }
  REQUIRE(spool.take(expected.size() + 1) == expected);
  CHECK(spool.empty());
  spool.append("again");
  CHECK(spool.take(100) == "again");
}

TEST_CASE("a spool has a file without a name, and its room is free when all was taken") {
  const test::TempDir folder;
  const TmpDir here(folder.path().string());
  const auto room = [] {  // of our only open file that has no name any more
    std::uintmax_t bytes = 0;
    for (const auto& open : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string name = std::filesystem::read_symlink(open.path(), gone).string();
      if (name.find("/lockstep-spool-") != std::string::npos)
        bytes += std::filesystem::file_size(open.path(), gone) + 1;
    }
    return bytes;
  };
  REQUIRE(room() == 0);
  Spool spool;
  spool.append(std::string(100'000, 'x'));
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK(room() == 100'001);
  CHECK(spool.take(60'000).size() == 60'000);
  CHECK(spool.take(60'000).size() == 40'000);
  CHECK(room() == 1);
}

TEST_CASE("a spool whose folder takes no file says so by name") {
  const test::TempDir folder;
  Spool spool;
  {
    const TmpDir gone(folder.file("gone"));
    CHECK(code_of_append(spool) == "LS-S334");
  }
  const TmpDir there(folder.path().string());
  CHECK(code_of_append(spool) == "none");
  CHECK(spool.take(9) == "bytes");
}

}  // namespace lockstep::capture
