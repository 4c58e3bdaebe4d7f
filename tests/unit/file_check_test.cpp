#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "ops/file_check.hpp"
#include "tests/support/application.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::ops {

TEST_CASE("a table that only the application can look into hides no damage of another") {
  const test::TempDir folder;
  const std::string path = folder.file("a.db");
  std::string page, size;
  {
    test::Application application(path);
    sqlite3_create_collation(application.handle(), "OWN", SQLITE_UTF8, nullptr,
                             [](void*, int a, const void*, int b, const void*) { return a - b; });
    application.exec(
        "CREATE TABLE own(v TEXT COLLATE OWN UNIQUE); INSERT INTO own VALUES ('a'); CREATE TABLE "
        "\"pl'a\"\"in\"(id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION "
        "ALL "
        "SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO \"pl'a\"\"in\" SELECT i, 'text ' || i "
        "FROM "
        "n");
    page = *application.query("SELECT rootpage FROM sqlite_master WHERE name LIKE 'pl%'")[0][0];
    size = *application.query("PRAGMA page_size")[0][0];
  }
  {
    sqlite::Database file = sqlite::Database::open(path, sqlite::OpenMode::read_only);
    const FileCheck check = quick_check(file);
    CHECK(check.ok());
    CHECK(check.left_out.find("own (SQLite says: no such collation") != std::string::npos);
    CHECK(check.left_out.find("pl") == std::string::npos);
  }
  {
    // Its root stays whole, so that it is read; a leaf behind it is not.
    std::fstream raw(path, std::ios::in | std::ios::out | std::ios::binary);
    raw.seekp((std::stoll(page) + 3) * std::stoll(size));
    raw << std::string(static_cast<std::size_t>(std::stoll(size)), '\0');
    REQUIRE(raw.flush());
  }
  sqlite::Database file = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  CHECK_FALSE(quick_check(file).ok());
}

}  // namespace lockstep::ops
