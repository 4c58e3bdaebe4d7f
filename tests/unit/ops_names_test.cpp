#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "ops/names.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

using namespace lockstep::ops;
using namespace std::chrono_literals;

TEST_CASE("a source is a path in any of the forms that people paste") {
  const std::vector<std::pair<std::string, std::string>> table{
      {"app.db", "app.db"},
      {"/var/lib/app.db", "/var/lib/app.db"},
      {"./what?.db", "./what?.db"},
      {"file:./dev.db", "./dev.db"},
      {"file:dev.db?mode=ro&cache=shared", "dev.db"},
      {"sqlite:/abs/app.db", "/abs/app.db"},
      {"sqlite3:db/development.sqlite3", "db/development.sqlite3"},
      {"sqlite:///relative/app.db", "relative/app.db"},
      {"sqlite:////abs/app.db", "/abs/app.db"},
      {"sqlite+pysqlite:////abs/app.db?timeout=5", "/abs/app.db"},
      {"sqlite+aiosqlite:///app.db", "app.db"},
      {"sqlite.db", "sqlite.db"},
      {"files:of.db", "files:of.db"},
      {"", ""}};
  for (const auto& [text, path] : table) {
    INFO(text);
    CHECK(source_path(text) == path);
  }
}

TEST_CASE("a target is told from a source by its form") {
  for (const char* target : {"postgres://h/d", "postgresql://h/d", "postgresql+psycopg2://h/d",
                             "postgis://h/d", "host=h dbname=d", "service=shop"})
    CHECK(looks_like_target(target));
  for (const char* source :
       {"app.db", "/var/lib/app.db", "sqlite:///app.db", "file:app.db", "file:app.db?mode=ro",
        "sqlite+pysqlite:///app.db?timeout=5", "postgres"})
    CHECK_FALSE(looks_like_target(source));
  CHECK_THROWS_WITH(source_path("postgresql://u:secret@h/d"),
                    Catch::Contains("LS-C105: a connection string stands where SOURCE belongs"));
  const lockstep::test::TempDir folder;
  const std::string odd = folder.file("a=b.db");
  CHECK(looks_like_target(odd));
  std::ofstream(odd) << "it is a file";
  CHECK_FALSE(looks_like_target(odd));
}

TEST_CASE("a migration is called like its file") {
  CHECK(migration_name("/var/lib/shop.sqlite3") == "shop");
  CHECK(migration_name("shop.v2.db") == "shop.v2");
  CHECK(migration_name("shop") == "shop");
}

TEST_CASE("globs are split at commas and match as in a shell") {
  CHECK(split_globs("") == std::vector<std::string>{});
  CHECK(split_globs("a,b*,,c") == std::vector<std::string>{"a", "b*", "c"});
  CHECK(split_globs(",") == std::vector<std::string>{});
  const std::vector<std::string> globs{"log_*", "tmp?", "[xy]z", "odd[name"};
  for (const char* name : {"log_", "log_2024", "tmp1", "xz", "odd[name"})
    CHECK(matches_any(name, globs));
  for (const char* name : {"log", "LOG_1", "tmp", "tmp12", "zz", "xlog_"})
    CHECK_FALSE(matches_any(name, globs));
  CHECK(matches_any("a/b", {"a*"}));
  CHECK_FALSE(matches_any("anything", {}));
}

TEST_CASE("other tools' tables are left alone unless they are asked for by name") {
  CHECK_THAT(std::string(left_alone("_litestream_seq", {})), Catch::Contains("Litestream"));
  CHECK_THAT(std::string(left_alone("__drizzle_migrations", {"*"})), Catch::Contains("schema"));
  CHECK(left_alone("__drizzle_migrations", {"a", "__drizzle_migrations"}).empty());
  CHECK(left_alone("drizzle_migrations", {}).empty());
}

TEST_CASE("durations have units, and a bare number is seconds") {
  CHECK(parse_duration("800ms") == 800ms);
  CHECK(parse_duration("5s") == 5s);
  CHECK(parse_duration("5") == 5s);
  CHECK(parse_duration("10min") == 10min);
  CHECK(parse_duration("2h") == 2h);
  CHECK(parse_duration("7d") == 168h);
  CHECK(parse_duration("0") == 0s);
  for (const char* bad :
       {"", "s", "-5s", "1.5s", "5 s", "5m", "5S", "99999999999", "99999999999999999999s", "5s5"})
    CHECK_FALSE(parse_duration(bad));
}

TEST_CASE("a shell takes a word back as it was") {
  CHECK(shell_word("app.db") == "app.db");
  CHECK(shell_word("host=h dbname=d") == "\"host=h dbname=d\"");
  for (const std::string& word :
       {std::string("plain"), std::string(), std::string("two words"), std::string("it's"),
        std::string("$HOME"), std::string("a\"b"), std::string("`id`"), std::string("back\\slash"),
        std::string("!x"), std::string("*"), std::string("~"), std::string("a\nb"),
        std::string("'\"$`\\!'"), std::string("größe"), std::string("a;b&c|d")}) {
    INFO(word);
    const auto outcome = lockstep::test::run({"sh", "-c", "printf %s " + shell_word(word)});
    CHECK(outcome.output == word);
  }
}
