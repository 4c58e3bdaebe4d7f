#include <catch2/catch.hpp>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "link/sqlite/file_state.hpp"
#include "snapshot/census_record.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::sqlite {
namespace {

using namespace std::chrono_literals;
using test::TempDir;
using test::wait_until;

Database make(const std::string& path, const std::string& journal_mode) {
  std::ofstream(path).close();
  Database database = Database::open(path, OpenMode::read_write);
  database.exec("PRAGMA journal_mode = " + journal_mode + "; CREATE TABLE t(a)");
  return database;
}

}  // namespace

TEST_CASE("the state of a file is not told while the next write may look the same",
          "[file_state]") {
  const TempDir folder;
  Database database = make(folder.file("a.db"), GENERATE(as<std::string>(), "WAL", "DELETE"));
  CHECK(wait_until(
      [&] {
        database.exec("INSERT INTO t VALUES (1)");
        return !file_state(database).has_value();
      },
      20s));
  CHECK(wait_until([&] { return file_state(database).has_value(); }, 20s));
  const auto before = file_state(database);
  CHECK(file_state(database) == before);
  database.exec("UPDATE t SET a = 2");
  std::optional<std::string> after;
  CHECK(wait_until([&] { return (after = file_state(database)).has_value(); }, 20s));
  CHECK(after != before);
}

TEST_CASE("a census comes back from its record as it was, whatever bytes are in it",
          "[file_state]") {
  snapshot::CensusRecord record{"state", 7, {}};
  TableCensus census;
  census.rows = 3, census.bytes = 9, census.row_bytes_max = 4, census.widest_row = "w\xff";
  census.columns.resize(2);
  ColumnCensus& column = census.columns[1];
  column.count = {1, 2, 3, 4, 5};
  column.example[3] = std::string("a\0\xff", 3);
  column.promise.broken = true, column.promise.kept = 8, column.promise.broken_by = "b";
  column.extremes.integer_min = INT64_MIN, column.extremes.integer_max = INT64_MAX;
  column.extremes.real_max = std::numeric_limits<double>::infinity();
  record.tables["t\xfe"] = {"asked", 1.5, census};
  const std::string bytes = snapshot::encode_census(record, "1");
  const auto back = snapshot::decode_census(bytes, "1");
  REQUIRE(back.has_value());
  CHECK(snapshot::encode_census(*back, "1") == bytes);
  const TableCensus& known = back->tables.at("t\xfe").census;
  CHECK(known.columns[1].example[3] == column.example[3]);
  CHECK(known.columns[1].extremes.integer_min == INT64_MIN);
  CHECK(known.columns[1].extremes.real_max == std::numeric_limits<double>::infinity());
  CHECK_FALSE(known.columns[1].extremes.real_min.has_value());
  CHECK(known.columns[1].promise.broken_by == "b");
  CHECK(known.widest_row == "w\xff");

  CHECK_FALSE(snapshot::decode_census(bytes, "2").has_value());
  for (std::size_t end = 0; end < bytes.size(); ++end)
    CHECK_FALSE(snapshot::decode_census(bytes.substr(0, end), "1").has_value());
}

}  // namespace lockstep::sqlite
