#include "link/postgres/connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "link/postgres/session_name.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::postgres {

namespace {

using test::PostgresServer;
using namespace std::chrono_literals;

PostgresServer& server() {
  static PostgresServer one{{"fsync=off"}};
  return one;
}

/// A database of its own for each test case.
std::string fresh_database(const std::string& options = "") {
  static int count = 0;
  return server().create_database(fmt::format("t{}", ++count), options);
}

Connection connect(const std::string& dsn) {
  return Connection::open(parse_dsn(dsn), "test");
}

template <class Action>
ErrorFacts facts_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.facts();
  }
  FAIL("nothing was thrown");
  return {};
}

ErrorFacts refusal(const std::string& dsn) {
  return facts_of([&] { static_cast<void>(connect(dsn)); });
}

std::string setting(Connection& connection, const std::string& name) {
  return std::string(connection.exec("SHOW " + name).value(0, 0));
}

std::string with_user(const std::string& dsn, const std::string& user) {
  Dsn parsed = parse_dsn(dsn);
  return parsed.without_secrets() + " user='" + user + "'";
}

}  // namespace

TEST_CASE("a server that is not there is unreachable, and that can change") {
  const ErrorFacts socket = refusal("host=/nowhere-at-all dbname=shop");
  CHECK(socket.code == "LS-T201");
  CHECK(socket.exit == ExitCode::unreachable);
  CHECK(socket.retry == Retry::new_session);
  CHECK(socket.why.find("wrong directory") != std::string::npos);
  const ErrorFacts refused = refusal("postgresql://shop:c4n4ry@127.0.0.1:1/shop");
  CHECK(refused.code == "LS-T201");
  CHECK(refused.why.find("nothing listens there") != std::string::npos);
  CHECK((refused.what + refused.why + refused.todo).find("c4n4ry") == std::string::npos);
}

TEST_CASE("a server that takes the connection and says nothing is given up after the patience") {
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(listener >= 0);
  // An abstract address, and nobody ever accepts.
  const std::string name = fmt::format("@lockstep-silent-{}/.s.PGSQL.5432", getpid());
  sockaddr_storage address{};
  address.ss_family = AF_UNIX;
  std::copy(name.begin() + 1, name.end(),
            reinterpret_cast<char*>(&address) + sizeof(sa_family_t) + 1);
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address),
               static_cast<socklen_t>(sizeof(sa_family_t) + name.size())) == 0);
  REQUIRE(listen(listener, 5) == 0);
  const Dsn dsn = parse_dsn(fmt::format("host=@lockstep-silent-{}", getpid()));
  const ErrorFacts facts = facts_of([&] { (void)Connection::open(dsn, "test", 50ms); });
  CHECK(facts.code == "LS-T201");
  CHECK(facts.why.find("no answer within 50 ms") != std::string::npos);
  close(listener);
}

TEST_CASE("the reasons of a refused connection have their own codes") {
  const std::string dsn = fresh_database();
  server().create_database("closed");
  server().query(
      "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0; CREATE ROLE barred LOGIN;"
      "REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
  CHECK(refusal(server().dsn("nosuch")).code == "LS-T203");
  CHECK(refusal(server().dsn("nosuch")).retry == Retry::never);
  const ErrorFacts full = refusal(with_user(dsn, "crowded"));
  CHECK(full.code == "LS-T209");
  CHECK(full.foreign == "53300");
  CHECK(full.retry == Retry::new_session);
  CHECK(refusal(with_user(server().dsn("closed"), "barred")).code == "LS-T204");
  CHECK(refusal(with_user(dsn, "no such role")).code == "LS-T202");
}

TEST_CASE("a refused password is told without the password") {
  PostgresServer other{{"fsync=off"}};
  other.query("CREATE ROLE guarded LOGIN PASSWORD 'right'");
  const auto hba = other.data_folder() / "pg_hba.conf";
  std::ifstream old_file(hba);
  const std::string old{std::istreambuf_iterator<char>(old_file), {}};
  std::ofstream(hba) << "local all guarded scram-sha-256\n" << old;
  other.restart();
  const std::string guarded = with_user(other.dsn(), "guarded");
  CHECK(connect(guarded + " password=right").alive());
  const ErrorFacts wrong = refusal(guarded + " password=c4n4ry");
  CHECK(wrong.code == "LS-T202");
  CHECK(wrong.foreign == "28P01");
  CHECK(wrong.exit == ExitCode::unreachable);
  CHECK((wrong.what + wrong.why + wrong.todo).find("c4n4ry") == std::string::npos);
  CHECK(refusal(guarded + " passfile=/nowhere").code == "LS-T202");  // none to offer
}

TEST_CASE("databases that cannot hold every text, and standbys, are unusable") {
  const ErrorFacts latin =
      refusal(fresh_database("TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"));
  CHECK(latin.code == "LS-T205");
  CHECK(latin.exit == ExitCode::precondition);
  CHECK(latin.why.find("LATIN1") != std::string::npos);
  PostgresServer standby{{"fsync=off", "default_transaction_isolation=serializable"}};
  CHECK(connect(standby.dsn()).alive());
  standby.stop_fast();
  std::ofstream(standby.data_folder() / "standby.signal").flush();
  standby.start();
  const ErrorFacts recovery = refusal(standby.dsn());
  CHECK(recovery.code == "LS-T205");
  CHECK(recovery.retry == Retry::new_session);
  SECTION("of several hosts the first that is usable is taken") {
    const std::string hosts = fmt::format(
        "host=/nowhere,{},{} port=5432 dbname=postgres user=postgres",
        parse_dsn(standby.dsn()).parameter("host"), parse_dsn(server().dsn()).parameter("host"));
    CHECK(connect(hosts).exec("SELECT pg_is_in_recovery()").boolean(0, 0) == false);
  }
}

TEST_CASE("the settings of the session are ours, whatever the DBA set") {
  const std::string dsn = fresh_database();
  const std::string name = parse_dsn(dsn).parameter("dbname");
  server().query(fmt::format(
      "CREATE ROLE odd LOGIN SUPERUSER;"
      "ALTER ROLE odd SET statement_timeout = 200; ALTER ROLE odd SET synchronous_commit = off;"
      "ALTER ROLE odd SET default_transaction_isolation = 'serializable';"
      "ALTER ROLE odd SET client_min_messages = error; ALTER ROLE odd SET row_security = on;"
      "ALTER DATABASE {0} SET search_path = public, pg_catalog;"
      "ALTER DATABASE {0} SET default_transaction_read_only = on;"
      "ALTER DATABASE {0} SET lock_timeout = 1;"
      "ALTER DATABASE {0} SET idle_in_transaction_session_timeout = 1;"
      "ALTER DATABASE {0} SET idle_session_timeout = 60000;"
      "ALTER DATABASE {0} SET client_encoding = latin1; ALTER DATABASE {0} SET TimeZone = "
      "'Asia/Tokyo'",
      name));
  Connection connection = connect(with_user(dsn, "odd"));
  const std::pair<const char*, const char*> wanted[] = {
      {"statement_timeout", "0"},
      {"lock_timeout", "0"},
      {"idle_in_transaction_session_timeout", "0"},
      {"idle_session_timeout", "0"},
      {"synchronous_commit", "on"},
      {"default_transaction_isolation", "read committed"},
      {"transaction_isolation", "read committed"},
      {"default_transaction_read_only", "off"},
      {"transaction_read_only", "off"},
      {"search_path", "pg_catalog, pg_temp"},
      {"client_encoding", "UTF8"},
      {"client_min_messages", "warning"},
      {"row_security", "off"},
      {"client_connection_check_interval", "10s"},
      {"TimeZone", "UTC"},
      {"jit", "off"}};
  for (const auto& [key, value] : wanted)
    CHECK((key + setting(connection, key)) == key + std::string(value));
  const std::string own_name = setting(connection, "application_name");
  CHECK(own_name.starts_with("lockstep test "));
  CHECK(own_name == our_session_name("test"));
  CHECK(connection.server_version() >= 140000);
}

TEST_CASE("a stronger synchronous_commit of the DBA is kept") {
  const std::string dsn = fresh_database();
  for (const auto& [set, kept] : {std::pair{"remote_apply", "remote_apply"},
                                  {"remote_write", "remote_write"},
                                  {"local", "on"},
                                  {"off", "on"},
                                  {"on", "on"}}) {
    server().query(fmt::format("ALTER DATABASE {} SET synchronous_commit = {}",
                               parse_dsn(dsn).parameter("dbname"), set));
    Connection connection = connect(dsn);
    CHECK(setting(connection, "synchronous_commit") == kept);
  }
}

TEST_CASE("functions and operators in a hostile search_path do not reach our session") {
  const std::string dsn = fresh_database();
  const std::string name = parse_dsn(dsn).parameter("dbname");
  server().query(
      "CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql "
      "AS $$ BEGIN RAISE 'hijacked'; END $$;"
      "CREATE FUNCTION public.never(text, text) RETURNS boolean LANGUAGE plpgsql "
      "AS $$ BEGIN RAISE 'hijacked'; END $$;"
      "CREATE OPERATOR public.= (leftarg = text, rightarg = text, function = public.never)",
      name);
  server().query(fmt::format("ALTER DATABASE {} SET search_path = public, pg_catalog", name));
  Connection connection = connect(dsn);
  CHECK(setting(connection, "statement_timeout") == "0");
}

TEST_CASE("results and parameters come and go as text") {
  Connection connection = connect(fresh_database());
  const Result result =
      connection.query("SELECT $1::bigint, $2::text, $1::int > 3, NULL::text",
                       {std::optional<std::string>("42"), std::optional<std::string>("ü")});
  CHECK(result.rows() == 1);
  CHECK(result.columns() == 4);
  CHECK(result.integer(0, 0) == 42);
  CHECK(result.value(0, 1) == "ü");
  CHECK(result.boolean(0, 2));
  CHECK(result.is_null(0, 3));
  CHECK(connection.query("SELECT $1::text", {std::nullopt}).is_null(0, 0));
  connection.exec("CREATE TABLE public.t(a bigint)");
  CHECK(connection.exec("INSERT INTO public.t SELECT generate_series(1, 7)").affected() == 7);
  CHECK(connection.exec("BEGIN").command_tag() == "BEGIN");
  connection.abort();
  const ErrorFacts nul = facts_of([&] { connection.query("SELECT $1", {std::string("a\0b", 3)}); });
  CHECK(nul.why.find("NUL") != std::string::npos);
}

TEST_CASE("abort() ends a transaction and a statement that was cancelled can be tried again") {
  Connection connection = connect(fresh_database());
  connection.exec("BEGIN; CREATE TABLE public.t(a int)");
  connection.abort();
  connection.abort();
  CHECK(connection.exec("SELECT to_regclass('public.t')").is_null(0, 0));
  const std::string pid = std::to_string(connection.backend_pid());
  std::thread canceller([&] {
    CHECK(test::wait_until(
        [&] {
          return server().value("SELECT wait_event FROM pg_stat_activity WHERE pid = " + pid) ==
                 "PgSleep";
        },
        10s));
    connection.cancel();
  });
  const ErrorFacts facts = facts_of([&] { connection.exec("SELECT pg_sleep(60)"); });
  canceller.join();
  CHECK(facts.foreign == "57014");
  CHECK(facts.retry == Retry::same_session);
  CHECK(connection.exec("SELECT 1").integer(0, 0) == 1);
}

TEST_CASE("cancel() waits a second at most for a server that does not answer") {
  test::PostgresServer frozen{{"fsync=off"}};
  Connection connection = connect(frozen.dsn());
  frozen.freeze();
  std::future<void> cancelled = std::async(std::launch::async, [&] { connection.cancel(); });
  CHECK(cancelled.wait_for(5s) == std::future_status::ready);
  frozen.thaw();
}

TEST_CASE("errors of the server have code, exit and advice by SQLSTATE") {
  const std::string dsn = fresh_database();
  Connection connection = connect(dsn);
  connection.exec("CREATE TABLE public.t(a int PRIMARY KEY); INSERT INTO public.t VALUES (1), (2)");
  const ErrorFacts unique = facts_of([&] { connection.exec("INSERT INTO public.t VALUES (1)"); });
  CHECK(unique.code == "LS-T210");
  CHECK(unique.foreign == "23505");
  CHECK(unique.retry == Retry::never);
  CHECK(unique.why.find("Key (a)=(1) already exists") != std::string::npos);
  const ErrorFacts syntax = facts_of([&] { connection.exec("SELEKT 'password=c4n4ry'"); });
  CHECK(syntax.code == "LS-T211");
  CHECK(syntax.exit == ExitCode::stopped);
  CHECK((syntax.what + syntax.why).find("c4n4ry") == std::string::npos);
  CHECK(facts_of([&] {
          connection.exec(
              "SET default_transaction_read_only = on; COMMIT; "
              "SET TRANSACTION READ ONLY; DELETE FROM public.t");
        }).code == "LS-T217");
  server().query("CREATE ROLE poor LOGIN");
  Connection poor = connect(with_user(dsn, "poor"));
  const ErrorFacts denied = facts_of([&] { poor.exec("CREATE TABLE public.u(a int)"); });
  CHECK(denied.code == "LS-T204");
  CHECK(denied.exit == ExitCode::precondition);
  connect(dsn).exec(
      "CREATE TABLE public.hidden(a int); GRANT ALL ON public.hidden TO poor; "
      "ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY");
  for (const char* const statement : {"SELECT a FROM public.hidden", "DELETE FROM public.hidden",
                                      "INSERT INTO public.hidden VALUES (1)"}) {
    const ErrorFacts hidden = facts_of([&] { poor.exec(statement); });
    CHECK(hidden.code == "LS-T266");
    CHECK(hidden.exit == ExitCode::precondition);
    CHECK(hidden.todo.find("ROW LEVEL SECURITY") != std::string::npos);
    CHECK(hidden.todo.find("GRANT") == std::string::npos);
  }
}

TEST_CASE("the victim of a deadlock is told to try again in the same session") {
  const std::string dsn = fresh_database();
  Connection one = connect(dsn);
  Connection two = connect(dsn);
  one.exec(
      "SET deadlock_timeout = '10ms'; CREATE TABLE public.t(a int PRIMARY KEY, b int);"
      "INSERT INTO public.t VALUES (1), (2)");
  one.exec("BEGIN; UPDATE public.t SET b = 1 WHERE a = 1");
  two.exec("BEGIN; UPDATE public.t SET b = 1 WHERE a = 2; SET deadlock_timeout = '100s'");
  std::thread other([&] { two.exec("UPDATE public.t SET b = 1 WHERE a = 1"); });
  CHECK(test::wait_until(
      [&] {
        return server().value(
                   fmt::format("SELECT wait_event_type FROM pg_stat_activity WHERE pid = {}",
                               two.backend_pid())) == "Lock";
      },
      10s));
  const ErrorFacts facts = facts_of([&] { one.exec("UPDATE public.t SET b = 1 WHERE a = 2"); });
  CHECK(facts.foreign == "40P01");
  CHECK(facts.retry == Retry::same_session);
  one.abort();
  other.join();
  CHECK(two.commit() == CommitOutcome::committed);
}

}  // namespace lockstep::postgres
