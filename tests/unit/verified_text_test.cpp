// What a person reads of how equal both sides are.
#include "ops/verified_text.hpp"

#include <catch2/catch.hpp>

#include "ops/progress.hpp"

namespace lockstep::ops {
namespace {

constexpr std::int64_t kSecond = 1'000'000, kNow = 1'700'000'000 * kSecond;

TableProgress table(const std::string& state, std::int64_t seconds_ago,
                    std::int64_t different = 0) {
  TableProgress one;
  one.name = "t";
  one.verified.state = state;
  one.verified.different = different;
  one.verified.at_us = kNow - seconds_ago * kSecond;
  return one;
}

}  // namespace

TEST_CASE("the age of a proof is that of its oldest part") {
  Status status;
  CHECK(verified_text(status, kNow).empty());
  status.tables = {table("clean", 12), table("clean", 40), table("pending", 0)};
  CHECK(verified_text(status, kNow) == "verified 2 of 3 tables equal, 40 s ago");
  status.tables.push_back(table("mismatch", 1, 3));
  status.tables.push_back(table("unsupported", 1));
  CHECK(verified_text(status, kNow) ==
        "verified 2 of 5 tables equal, 40 s ago; 1 table DIFFERENT; 1 table not compared");
  status.tables = {table("mismatch", 5, 1), table("mismatch", 5, 1)};
  CHECK(verified_text(status, kNow) == "2 tables DIFFERENT");
  status.tables.clear();
  status.verifying = Verifying{};
  status.verifying->table = "orders";
  CHECK(verified_text(status, kNow) == "comparing orders");
  status.barrier_waits = Awaited{"", "why", kNow - kSecond / 2};
  CHECK(verified_text(status, kNow) == "comparing orders");
  status.barrier_waits->since_us = kNow - 3 * kSecond;
  CHECK(verified_text(status, kNow) == "comparing orders, no view of the source for 3 s: why");
}

TEST_CASE("a following lockstep shows it in its line") {
  Status status;
  status.migration = "shop";
  status.phase = "streaming";
  status.tables = {table("mismatch", 5, 1)};
  CHECK(progress_line(status) ==
        "shop  streaming  0 changes applied  backlog -  1 table DIFFERENT");
}

TEST_CASE("of one table") {
  CHECK(verified_text(table("pending", 0).verified, kNow).empty());
  CHECK(verified_text(table("clean", 7'300).verified, kNow) == "equal 2 h ago");
  CHECK(verified_text(table("mismatch", 130, 1).verified, kNow) == "1 row DIFFERENT 2 min ago");
  CHECK(verified_text(table("mismatch", 200'000, 1'200).verified, kNow) ==
        "1,200 rows DIFFERENT 2 d ago");
  TableProgress dual = table("clean", 7'300);
  dual.verified.converged_at = "era/3/4";
  CHECK(verified_text(dual.verified, kNow) == "converged at era/3/4 2 h ago");
  CHECK(verified_text(table("running", 0).verified, kNow) == "is being compared");
  TableProgress unsupported = table("unsupported", 3);
  unsupported.verified.problem = "too large";
  CHECK(verified_text(unsupported.verified, kNow) == "not compared: too large");
}

}  // namespace lockstep::ops
