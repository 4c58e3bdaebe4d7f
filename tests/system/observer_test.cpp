// The reader that judges lockstep is judged: every kind of wrong state must be called one.
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// A target as lockstep leaves it, at seq 5 and n 7, made by hand.
std::string make_target(const std::string& name) {
  const std::string dsn = server().create_database(name);
  server().query(
      "CREATE SCHEMA lockstep;"
      "CREATE TABLE lockstep.ledger(migration text, consistent boolean, era uuid, seq bigint, "
      "identity bigint);"
      "INSERT INTO lockstep.ledger VALUES ('m', true, gen_random_uuid(), 5, 50);"
      "CREATE TABLE accounts(id bigint, balance bigint);"
      "INSERT INTO accounts SELECT i, 1000 FROM generate_series(1, 100) AS i;"
      "CREATE TABLE ledger_entries(id bigint, n bigint);"
      "INSERT INTO ledger_entries VALUES (1, 3), (2, 7);"
      "CREATE TABLE ohlcv_data(id bigint, volume bigint);"
      "INSERT INTO ohlcv_data VALUES (1, 11), (2, 22);"
      "CREATE TABLE counter(id bigint, n bigint, entries bigint, entry_sum bigint, account_sum "
      "bigint, day bigint, volume bigint, newest_day bigint);"
      "INSERT INTO counter VALUES (1, 7, 2, 10, 5050000, 1, 11, 2);",
      name);
  return dsn;
}

struct Verdict {
  ExitStatus status;
  nlohmann::json line;
};

/// Lets the observer look at the target, changes it, and lets it look again.
Verdict observe(const std::string& name, const std::string& change,
                const std::string& repairs = "0") {
  const std::string dsn = make_target(name);
  Process observer{
      {TOOL_OBSERVER, dsn, "--until-stdin-closes", "--migration", "m", "--repairs", repairs},
      clean({.own_stdin = true})};
  const std::string looks = "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + name +
                            "' AND application_name = 'observer, has looked'";
  REQUIRE(wait_until([&] { return server().value(looks) == "1"; }, 20s));
  server().query(change, name);
  observer.close_stdin();
  const ExitStatus status = observer.wait_or_throw(20s);
  INFO(observer.error_output());
  return {status, nlohmann::json::parse(observer.output())};
}

}  // namespace

TEST_CASE("an observer is content with states that the writer can have made", "[system]") {
  const auto [status, line] =
      observe("content",
              "BEGIN; UPDATE lockstep.ledger SET seq = 9, identity = 90; UPDATE counter SET n = 8, "
              "account_sum = account_sum + 10; UPDATE accounts SET balance = balance - 10 WHERE id "
              "= 1; UPDATE accounts SET balance = balance + 10 WHERE id = 2; COMMIT");
  INFO(line.dump());
  CHECK(status == ExitStatus{.code = 0});
  CHECK(line["violations"] == 0);
  CHECK(line["observations"].get<int>() >= 2);
  CHECK(line["states"] == 2);
  CHECK(line["last_n"] == 8);
}

TEST_CASE("an observer calls a state wrong that no commit of the writer made", "[system]") {
  const std::string step = "BEGIN; UPDATE lockstep.ledger SET seq = 6; UPDATE counter SET n = 8;";
  struct Wrong {
    const char* name;
    std::string change, says;
  };
  const auto wrong = GENERATE_COPY(values<Wrong>({
      {"money", step + "UPDATE accounts SET balance = 0 WHERE id = 1; COMMIT", "sum of balances"},
      {"torn",
       step + "UPDATE accounts SET balance = balance - 5 WHERE id = 1; UPDATE accounts SET "
              "balance = balance + 5 WHERE id = 2; COMMIT",
       "sum of id * balance"},
      {"gone", step + "DELETE FROM ledger_entries WHERE n = 3; COMMIT", "number of ledger entries"},
      {"other", step + "UPDATE ledger_entries SET n = 4 WHERE n = 3; COMMIT", "entries' n"},
      {"volume", step + "UPDATE ohlcv_data SET volume = 0 WHERE id = 1; COMMIT", "volume"},
      {"day", step + "INSERT INTO ohlcv_data VALUES (3, 0); COMMIT", "newest day"},
      {"rows_first", "UPDATE counter SET n = 8", "one position, two states"},
      {"position_first", "UPDATE lockstep.ledger SET seq = 6", "two positions, one state"},
      {"back", "BEGIN; UPDATE lockstep.ledger SET seq = 4; UPDATE counter SET n = 8; COMMIT",
       "the position went back"},
      {"older",
       "BEGIN; UPDATE counter SET n = 6, entry_sum = 9; UPDATE ledger_entries SET n = 6 WHERE n = "
       "7; COMMIT",
       "n went back"},
      {"identity", "UPDATE lockstep.ledger SET identity = 51", "two identities"},
      {"era", "UPDATE lockstep.ledger SET era = gen_random_uuid()", "the era changed"},
      {"unsure", "UPDATE lockstep.ledger SET consistent = false", "no longer says consistent"},
  }));
  const auto [status, line] = observe(wrong.name, wrong.change);
  INFO(wrong.name << ": " << line.dump());
  CHECK(status == ExitStatus{.code = 1});
  CHECK(line["violations"].get<int>() >= 1);
  CHECK(line["first_violation"].get<std::string>().find(wrong.says) != std::string::npos);
}

TEST_CASE("an observer lets a repair pass, and no more than it was told of", "[system]") {
  const std::string repair = "UPDATE lockstep.ledger SET seq = 6";
  CHECK(observe("repaired", repair, "1").status == ExitStatus{.code = 0});
  CHECK(observe("unrepaired", repair, "0").line["violations"] == 1);
  // A state that is wrong stays wrong.
  const std::string wrong = repair + "; UPDATE accounts SET balance = 0 WHERE id = 1";
  CHECK(observe("wrong_repair", wrong, "1").status == ExitStatus{.code = 1});
}

}  // namespace lockstep::test
