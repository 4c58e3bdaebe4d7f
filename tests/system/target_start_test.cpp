// The server ends statements and sessions of a lockstep that only begins: it begins again.
#include <fmt/format.h>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

/// Counts each DDL command in `database`, whatever becomes of its transaction, and runs `action`
/// on those for which `condition` (of `n`) holds.
void on_ddl(const std::string& database, const std::string& condition, const std::string& action) {
  server().query("CREATE SEQUENCE public.commands", database);
  server().query(
      fmt::format("CREATE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$"
                  "DECLARE n bigint := pg_catalog.nextval('public.commands');"
                  "BEGIN IF {} THEN {}; END IF; END$$",
                  condition, action),
      database);
  server().query(
      "CREATE EVENT TRIGGER meddle ON ddl_command_start EXECUTE FUNCTION public.meddle()",
      database);
}

const char kCancel[] = "RAISE 'cut' USING ERRCODE = '57014'";
const char kTerminate[] = "PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())";

void drop_meddling(const std::string& database) {
  server().query("DROP EVENT TRIGGER meddle", database);
  server().query("DROP FUNCTION public.meddle", database);
  server().query("DROP SEQUENCE public.commands", database);
}

}  // namespace

TEST_CASE("a start whose statements are cancelled and whose sessions are ended begins again") {
  // By the remainder each DDL command of a start is cut once; after the fourth cut it is let go on.
  for (int remainder = 0; remainder < 6; ++remainder) {
    INFO("remainder " << remainder);
    const std::string name = fmt::format("cut{}", remainder);
    Followed both(name, server().create_database(name));
    on_ddl(name, fmt::format("n < 24 AND n % 6 = {}", remainder),
           remainder % 2 == 0 ? kCancel : kTerminate);
    const Outcome outcome = lockstep({"run", both.file(), both.dsn(), "--until", "caught-up"});
    require_code(outcome, 0);
    CHECK(outcome.error_output.find(remainder % 2 == 0 ? "waiting   LS-T211"
                                                       : "waiting   LS-T201") != std::string::npos);
    // What one attempt said the next does not repeat.
    const std::size_t said = outcome.error_output.find("LS-T216");
    CHECK(said != std::string::npos);
    CHECK(outcome.error_output.find("LS-T216", said + 1) == std::string::npos);
    CHECK(server().value("SELECT last_value > 6 FROM commands", name) == "t");
    drop_meddling(name);
    require_equal(both.file(), both.dsn());
  }
}

TEST_CASE("while its statements are cancelled the status says what a start waits for") {
  Followed both("cancelled", server().create_database("cancelled"));
  on_ddl("cancelled", "true", kCancel);
  both.start();
  REQUIRE(wait_until([&] { return lockstep({"status", both.file()}).status.code == 0; }, 20s));
  const auto awaited = both.awaits("LS-T211");
  CHECK(awaited["what"].get<std::string>().find("57014 cut") != std::string::npos);
  // A second try changes nothing about since when, and the lock of the first is not another's.
  const auto tries = [] {
    return std::stoi(server().value("SELECT last_value FROM commands", "cancelled"));
  };
  const int before = tries();
  REQUIRE(wait_until([&] { return tries() > before + 2; }, 20s));
  CHECK(both.awaits("LS-T211")["since"] == awaited["since"]);
  drop_meddling("cancelled");
  both.caught_up();
  CHECK(both.status()["awaited"].is_null());
  both.stop();
}

}  // namespace lockstep::test
