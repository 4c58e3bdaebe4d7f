// What is said of a table whose mark moved.
#include <catch2/catch.hpp>

#include "switchover/reverse_watch.hpp"

namespace lockstep::test {

using switchover::what_moved;

TEST_CASE("a mark that moved says which part did") {
  CHECK(what_moved("1 a b c", "1 a b c").empty());
  CHECK(what_moved("1 a b c", "1 a b d") == "the triggers that log");
  CHECK(what_moved("1 a b c", "1 x y c") == "its columns or their types, its partitions");
  CHECK(what_moved("1 a b c", "2 x y z") == "it is another table");
  CHECK(what_moved("1 a b c", "") == "it is not there");
  CHECK(what_moved("", "1 a b c") == "nobody has watched it so far");
  // A mark that a later lockstep made is another one, whatever it says.
  CHECK_FALSE(what_moved("1 a b", "1 a b c").empty());
  CHECK_FALSE(what_moved("1 a b c d", "1 a b c").empty());
  CHECK_THAT(switchover::tables_moved({{1, "a", "its columns", true, ""}}).facts().why,
             Catch::Contains("a: its columns"));
}

TEST_CASE("before a cutover the triggers that log say nothing") {
  using switchover::what_was_altered;
  CHECK(what_was_altered("1 a b c", "1 a b c").empty());
  CHECK(what_was_altered("1 a b c", "1 a b d").empty());
  CHECK(what_was_altered("1 a b c", "1 x b d") == "its columns or their types");
  CHECK(what_was_altered("1 a b c", "2 a b c") == "it is another table");
  CHECK(what_was_altered("1 a b c", "") == "it is not there");
  CHECK_FALSE(what_was_altered("", "1 a b c").empty());
  CHECK_FALSE(what_was_altered("1 a b", "1 a b c").empty());
}

}  // namespace lockstep::test
