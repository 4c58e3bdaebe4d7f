// What one statement, one value or one row of PostgreSQL has no room for: it is divided, or refused
// by name.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// "c1 INTEGER, c2 INTEGER, ..." and the like.
std::string columns(int count, const std::string& suffix) {
  std::string text;
  for (int i = 1; i <= count; ++i) text += fmt::format(", c{}{}", i, suffix);
  return text;
}

}  // namespace

TEST_CASE("batches of more values than a statement has parameters arrive", "[system]") {
  constexpr int kColumns = 900, kParametersMax = 65'535;
  Followed wide("wide", server().create_database("wide"));
  wide.write("CREATE TABLE w(id INTEGER PRIMARY KEY" + columns(kColumns, " INTEGER") + ")");
  const auto rows = [&](int from, int count) {
    return fmt::format(
        "WITH RECURSIVE n(i) AS (SELECT {} UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO "
        "w(id, c1, c{}) SELECT i, i, -i FROM n;",
        from, from + count - 1, kColumns);
  };
  wide.write(rows(1, 100));
  wide.start_and_catch_up();
  std::string all;
  for (int i = 1; i <= kColumns; ++i) all += fmt::format("{}c{} = id", i > 1 ? ", " : "", i);
  // One that is sent row by row, and one that goes through the staging table.
  for (const int count : {100, 1'000}) {
    REQUIRE(count * kColumns > kParametersMax);
    wide.write(rows(1'000 * count, count));
    wide.write("UPDATE w SET " + all);
    wide.caught_up();
    wide.write("DELETE FROM w WHERE id % 2 = 0");
    wide.caught_up();
  }
  wide.stop();
  saw_fault(
      "A36",
      "GO: batches of 90,000 and of 1,000,000 values, in statements of a row each and by COPY");
}

TEST_CASE("a value that is too large is refused by name, before and while it is followed",
          "[system]") {
  const std::string too_large = "INSERT INTO v VALUES (7, zeroblob(256 * 1024 * 1024 + 1))";
  const bool before = GENERATE(true, false);
  const std::string name = before ? "large_before" : "large_later";
  Followed large(name, server().create_database(name));
  large.write("CREATE TABLE v(id INTEGER PRIMARY KEY, b BLOB); INSERT INTO v VALUES (1, x'00')");
  if (before) {
    large.write(too_large);
    const Outcome refused = lockstep({"run", large.file(), large.dsn()});
    require_code(refused, 3);
    CHECK_THAT(everything(refused),
               Contains("refused   v: ") && Contains("268435457") && Contains("LS-A100"));
    return;
  }
  large.start_and_catch_up();
  large.write(too_large);
  large.halts(7, "LS-D413", {"v.b", "268435457", "id=7"});
  const TempDir folder;
  const std::string config = folder.file("pii.json");
  std::ofstream(config) << R"({"version": 1, "columns": {"v.id": {"pii": true}}})";
  std::filesystem::permissions(
      config, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  large.start({"--config", config});
  large.halts(7, "LS-D413", {"v.b", "268435457", "id=(marked as personal data)"});
  CHECK(server().value("SELECT count(*) FROM v", name) == "1");
  large.write("DELETE FROM v WHERE id = 7; INSERT INTO v VALUES (8, x'01')");
  large.start_and_catch_up();
  large.stop();
  saw_fault(
      "A36",
      "HALT: LS-D413 names column, key and size of a value over 256 MiB; goes on once it is gone");
}

}  // namespace lockstep::test
