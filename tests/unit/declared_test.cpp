// CHECKs and DEFAULTs of a followed table that were changed.
#include "capture/declared.hpp"

#include <catch2/catch.hpp>

#include "apply/checks.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using test::plan_of;
using test::shape_of;
using Sentences = std::vector<std::string>;

namespace {

Sentences between(const std::string& before, const std::string& now) {
  return capture::declared_otherwise(shape_of("CREATE TABLE t(" + before + ")"),
                                     shape_of("CREATE TABLE t(" + now + ")"));
}

}  // namespace

TEST_CASE("what CREATE TABLE says of CHECK and DEFAULT is compared, not how it is laid out") {
  const std::string plain = "id INTEGER PRIMARY KEY, s TEXT DEFAULT 'x' CHECK (s <> ''), n INT";
  CHECK(
      between(plain, "id integer PRIMARY KEY,\n  s TEXT CHECK (s <> '') /* ! */ DEFAULT 'x', n INT")
          .empty());
  CHECK(between(plain, plain + ", CHECK (n > 0)") == Sentences{"CHECK (n > 0) is new"});
  CHECK(between(plain + ", CONSTRAINT few CHECK (n > 0)", plain) ==
        Sentences{"CONSTRAINT few CHECK (n > 0) is gone"});
  CHECK(between("a DEFAULT 1, b, c DEFAULT 'x'", "a DEFAULT 2, b DEFAULT (1 + 1), c") ==
        Sentences{"DEFAULT of a was 1, it is 2 now", "DEFAULT 1 + 1 of b is new",
                  "DEFAULT 'x' of c is gone"});
  // The same twice is not the same once.
  CHECK(between("a CHECK (a > 0), CHECK (a > 0)", "a CHECK (a > 0)") ==
        Sentences{"CHECK (a > 0) is gone"});
}

TEST_CASE("a plan takes over what is declared and nothing else") {
  const TableShape now =
      shape_of("CREATE TABLE t(k INT PRIMARY KEY, v TEXT DEFAULT 'n' CHECK (v > ''))");
  const TableShape before = shape_of("CREATE TABLE t(k INT PRIMARY KEY, v TEXT)");
  const TableShape taken = capture::with_declarations(before, now);
  CHECK(capture::declared_otherwise(taken, now).empty());
  CHECK(fingerprint(taken) == fingerprint(before));
  CHECK(taken.columns[1].default_sql == "'n'");
  CHECK(taken.checks == 1);
}

TEST_CASE("a CHECK that changed is one that goes and one that comes") {
  const auto checks = [](const std::string& sql) {
    return apply::own_checks(
        plan_of(1, "CREATE TABLE t(" + sql + ")", {ColumnType::bigint, ColumnType::bigint}), {});
  };
  const auto before = checks("a INT, b INT, CONSTRAINT c CHECK (a > 1), CHECK (b > 1)"),
             now = checks("a INT, b INT, CONSTRAINT c CHECK (a > 2), CHECK (b > 1)");
  const auto gone = apply::checks_only_in(before, now), come = apply::checks_only_in(now, before);
  REQUIRE(gone.size() == 1);
  REQUIRE(come.size() == 1);
  CHECK(apply::add_sql("t", gone[0]) == R"(ALTER TABLE t ADD CONSTRAINT "c" CHECK ("a" > 1))");
  CHECK(apply::add_sql("t", come[0]) == R"(ALTER TABLE t ADD CONSTRAINT "c" CHECK ("a" > 2))");
}
