#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "link/sqlite/scan.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using sqlite::scan_query;
using test::shape_of;

namespace {

void check_query(const std::string& table, const std::string& first, const std::string& onward,
                 const std::vector<std::size_t>& cursor) {
  INFO(table);
  const sqlite::ScanQuery query = scan_query(shape_of(table));
  CHECK(query.first == first);
  CHECK(query.onward == onward);
  CHECK(query.cursor_columns == cursor);
}

}  // namespace

TEST_CASE("a rowid table is scanned by its rowid") {
  check_query("CREATE TABLE t(a, \"b\"\"c\" INTEGER PRIMARY KEY)",
              R"(SELECT "a", "b""c" FROM "t" ORDER BY "b""c")",
              R"(SELECT "a", "b""c" FROM "t" WHERE "b""c" > ?1 ORDER BY "b""c")", {1});
  check_query("CREATE TABLE t(k TEXT PRIMARY KEY, rowid)",
              R"(SELECT "k", "rowid", _rowid_ FROM "t" ORDER BY _rowid_)",
              R"(SELECT "k", "rowid", _rowid_ FROM "t" WHERE _rowid_ > ?1 ORDER BY _rowid_)", {2});
}

TEST_CASE("a table without a key is scanned by its rowid, which is its last column") {
  check_query("CREATE TABLE t(a, b)", R"(SELECT "a", "b", rowid FROM "t" ORDER BY rowid)",
              R"(SELECT "a", "b", rowid FROM "t" WHERE rowid > ?1 ORDER BY rowid)", {2});
}

TEST_CASE("a table without rowid is scanned by its key, bound column by column") {
  check_query("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID",
              R"(SELECT "k" FROM "t" ORDER BY "k" COLLATE NOCASE)",
              R"(SELECT "k" FROM "t" WHERE "k" >= ?1 COLLATE NOCASE AND "k" > ?1 COLLATE NOCASE )"
              R"(ORDER BY "k" COLLATE NOCASE)",
              {0});
  check_query(
      "CREATE TABLE t(a INT, b TEXT, c, PRIMARY KEY(c, b DESC, a)) WITHOUT ROWID",
      R"(SELECT "a", "b", "c" FROM "t" ORDER BY "c" COLLATE BINARY, "b" COLLATE BINARY DESC, "a" COLLATE BINARY)",
      R"(SELECT "a", "b", "c" FROM "t" WHERE "c" >= ?1 COLLATE BINARY AND ("c" > ?1 COLLATE BINARY OR )"
      R"(("c" = ?1 COLLATE BINARY AND ("b" < ?2 COLLATE BINARY OR ("b" = ?2 COLLATE BINARY AND )"
      R"("a" > ?3 COLLATE BINARY)))) ORDER BY "c" COLLATE BINARY, "b" COLLATE BINARY DESC, "a" COLLATE BINARY)",
      {2, 1, 0});
}
