// Which tables may have lost the values of their last column, by real statements.
#include "capture/emptied.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/captured_source.hpp"

namespace lockstep::test {
namespace {

using capture::Emptied;
using capture::possibly_emptied;

// One of each way in which rows have an address; `spread` has many values, `few` two, `same` one.
constexpr char kSchema[] =
    "CREATE TABLE spread(id INTEGER PRIMARY KEY, v INT);"
    "CREATE TABLE by_text(k TEXT PRIMARY KEY, v INT);"
    "CREATE TABLE without(k TEXT, n INT, v INT, PRIMARY KEY (n, k)) WITHOUT ROWID;"
    "CREATE TABLE bare(u, v INT);"
    "CREATE TABLE few(id INTEGER PRIMARY KEY, v INT);"
    "CREATE TABLE same(id INTEGER PRIMARY KEY, v INT DEFAULT 7);"
    "CREATE TABLE large(id INTEGER PRIMARY KEY, v INT);"
    "CREATE TABLE none(id INTEGER PRIMARY KEY, v INT);"
    "INSERT INTO large WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < "
    "3000) SELECT i, i BETWEEN 1400 AND 1600 FROM c;"
    "INSERT INTO spread SELECT id, id FROM large WHERE id < 40;"
    "INSERT INTO by_text SELECT 'k' || id, id FROM spread;"
    "INSERT INTO without SELECT 'k' || id, id, id FROM spread; INSERT INTO bare SELECT 1, v FROM "
    "spread;"
    "INSERT INTO few SELECT id, id % 2 FROM spread; INSERT INTO same(id) SELECT id FROM spread;";

std::string names(const std::set<std::string>& tables) {
  std::string all;
  for (const std::string& name : tables) all += (all.empty() ? "" : " ") + name;
  return all;
}

}  // namespace

TEST_CASE(
    "rows show that no column went and came again, and are never shown wrong by those written "
    "since") {
  CapturedSource source(kSchema);
  source.install();
  sqlite::Database reading = sqlite::Database::open(source.path(), sqlite::OpenMode::read_only);
  const auto newest = [&] { return capture::newest_position(reading, source.installed().era).seq; };
  const auto emptied = [&](std::int64_t since) {
    return possibly_emptied(reading, source.plans(), since);
  };
  const std::int64_t start = newest();
  CHECK(names(emptied(start).all) == "large same");
  CHECK(names(emptied(start).large) == "large");
  SECTION("each of them gone and come again") {
    for (const char* table : {"spread", "by_text", "without", "bare", "few"}) {
      INFO(table);
      const std::string t = table;
      const std::int64_t since = newest();
      source.app().exec("BEGIN; UPDATE " + t + " SET v = v + 100 WHERE v < 7; ALTER TABLE " + t +
                        " DROP COLUMN v; ALTER TABLE " + t + " ADD COLUMN v INT; UPDATE " + t +
                        " SET v = abs(random() % 1000) WHERE abs(random() % 3) = 0; COMMIT");
      CHECK(emptied(since).all.contains(t));
      CHECK_FALSE(emptied(since).large.contains(t));
    }
  }
  SECTION("what is not logged any more is not counted") {
    source.app().exec("UPDATE spread SET v = v + 1; DELETE FROM _lockstep_changes WHERE seq < " +
                      std::to_string(start + 5));
    CHECK(emptied(start).all.contains("spread"));
    CHECK_FALSE(emptied(newest() - 1).all.contains("spread"));
  }
  SECTION("nor is it beside very many changes") {
    source.app().exec("UPDATE large SET v = id; UPDATE large SET v = id + 1");
    CHECK(emptied(start).all.contains("spread"));
    CHECK(emptied(newest()).all == std::set<std::string>{"same"});
  }
}

}  // namespace lockstep::test
