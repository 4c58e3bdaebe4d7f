// What passes of a comparison leave on record, and what is made of it.
#include "verify/record.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "tests/support/followed_target.hpp"

namespace lockstep::test {
namespace {

using namespace std::chrono_literals;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// A target with records of one table.
class Recorded {
 public:
  Recorded() {
    source_.install();
    target_.emplace(server(), source_);
    verify::create_records(connection());
  }

  /// A pass that has read the first range of the table.
  std::int64_t begin(Milliseconds spent = 0ms) {
    const std::int64_t pass = verify::request_pass(connection(), kMigration, {});
    verify::write_record(connection(), pass, record(false, 0, spent), {});
    return pass;
  }
  void finish(std::int64_t pass, std::uint64_t differ = 0) {
    verify::write_record(connection(), pass, record(true, differ, 0ms), {});
  }
  /// As if it had been so long ago.
  void earlier(std::int64_t pass, const std::string& column, const std::string& interval) const {
    target_->query(
        fmt::format("UPDATE lockstep.verify_tables SET {0} = {0} - interval '{1}' "
                    "WHERE pass = {2}",
                    column, interval, pass));
  }
  verify::TableResult result() {
    const auto results = verify::table_results(connection(), kMigration);
    REQUIRE(results.size() == 1);
    return results.front();
  }
  [[nodiscard]] std::string value(const std::string& sql) const {
    return target_->query(sql)[0][0].value();
  }
  postgres::Connection& connection() { return target_->connection(); }

 private:
  verify::TableRecord record(bool done, std::uint64_t differ, Milliseconds spent) const {
    verify::TableRecord one;
    one.id = source_.plans()[0].id;
    one.name = "t";
    one.done = done;
    one.differ = differ;
    one.ms = spent.count();
    return one;
  }

  CapturedSource source_{"CREATE TABLE t(id INTEGER PRIMARY KEY)"};
  std::optional<FollowedTarget> target_;
};

}  // namespace

TEST_CASE("what is known of a table is as old as the first of its rows that was read") {
  Recorded passes;
  const std::int64_t pass = passes.begin(7s);
  CHECK(passes.value("SELECT updated - begun FROM lockstep.verify_tables") == "00:00:07");
  // lockstep was stopped for two hours in the middle of the table.
  passes.earlier(pass, "begun", "2 hours");
  passes.finish(pass);
  CHECK(passes.result().age >= 2h);
  CHECK(passes.result().age < 3h);
  CHECK(passes.value("SELECT now() - updated < '1 hour' FROM lockstep.verify_tables") == "t");
}

TEST_CASE("a table that an older lockstep has begun is as old as the wish for its pass") {
  Recorded passes;
  const std::int64_t pass = passes.begin();
  passes.connection().exec("ALTER TABLE lockstep.verify_tables DROP COLUMN begun");
  CHECK_FALSE(verify::records_exist(passes.connection()));
  verify::create_records(passes.connection());
  CHECK(verify::records_exist(passes.connection()));
  passes.connection().exec(
      "UPDATE lockstep.verify_passes SET requested = requested - interval '3 hours'");
  passes.finish(pass);
  CHECK(passes.result().age >= 3h);
}

TEST_CASE("of passes that interrupt each other the one that began last is the proof") {
  Recorded passes;
  const std::int64_t interrupted = passes.begin(), asked = passes.begin();
  passes.earlier(interrupted, "begun", "2 hours");
  passes.earlier(asked, "begun", "10 minutes");
  SECTION("both found nothing") {
    passes.finish(asked);
    passes.earlier(asked, "updated", "5 minutes");
    passes.finish(interrupted);
    CHECK(passes.result().age < 1h);
    CHECK(passes.result().different == 0);
  }
  SECTION("a row that the earlier one saw before it was changed") {
    passes.finish(asked, 3);
    passes.earlier(asked, "updated", "5 minutes");
    passes.finish(interrupted);
    CHECK(passes.result().different == 3);
  }
  SECTION("what the earlier one found behind the other's end") {
    passes.finish(asked);
    passes.earlier(asked, "updated", "5 minutes");
    passes.finish(interrupted, 3);
    CHECK(passes.result().different == 3);
  }
}

}  // namespace lockstep::test
