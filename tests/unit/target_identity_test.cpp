#include "model/target_identity.hpp"

#include <catch2/catch.hpp>

namespace lockstep {

TEST_CASE("a target's identity survives its text, and what is none is not read as one") {
  const TargetIdentity identity{"7301234567890123456", "16384", 3};
  CHECK(to_string(identity) == "7301234567890123456/16384/3");
  CHECK(parse_target_identity(to_string(identity)) == identity);
  for (const char* text : {"", "/", "//", "1/2", "1/2/", "1/2/x", "1/2/3x", "/2/3", "1//3"}) {
    INFO(text);
    CHECK_FALSE(parse_target_identity(text).has_value());
  }
}

TEST_CASE("a higher timeline is a failover, a lower one the past, anything else a stranger") {
  const TargetIdentity known{"1", "2", 3};
  CHECK(kinship(known, {"1", "2", 3}) == Kinship::same);
  CHECK(kinship(known, {"1", "2", 4}) == Kinship::later);
  CHECK(kinship(known, {"1", "2", 2}) == Kinship::earlier);
  CHECK(kinship(known, {"9", "2", 4}) == Kinship::other);
  CHECK(kinship(known, {"1", "9", 4}) == Kinship::other);
}

}  // namespace lockstep
