// What has to hold before the writers move: limits, gates and hooks of the configuration, flags
// before them, and the way back, which is tried before anybody needs it.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/fault.hpp"
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

void write_file(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

// "open", or what was found instead; "none" if there is no such gate.
std::string gate(const Outcome& outcome, const std::string& name) {
  for (const std::string& line : Shop::lines(outcome.output)) {
    const auto object = nlohmann::json::parse(line);
    if (object["type"] != "gates") continue;
    for (const auto& each : object["gates"])
      if (each["name"] == name) return each["open"] ? "open" : each["found"].get<std::string>();
  }
  return "none";
}

}  // namespace

TEST_CASE("limits, gates and hooks come from the configuration, and flags go before it",
          "[system]") {
  Shop shop("gates");
  const TempDir folder;
  const std::string config = folder.file("shop.json");
  const auto configure = [&](const std::string& gates) {
    write_file(
        config, R"({ "version": 1, "cutover": { "max_pause": "1s", "verify_max_age": "0ms",
      "gates": [)" + gates +
                    R"(] }, "rollback": { "max_pause": "2s", "verify_max_age": "0ms", "gates": [
      { "name": "asked", "target_sql": "SELECT count(*) FROM orders WHERE token = 'yes'" }] },
      "hooks_dir": "hooks" })");
  };
  const auto dry = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"cutover", shop.file(), "--config", config, "--dry-run"});
    return lockstep(more);
  };
  configure(R"json({ "name": "words", "command": ["test", "a b", "=", "a b"] },
    { "name": "shell", "command": "exit 7" },
    { "name": "source", "source_sql": "SELECT count(*) FROM orders" },
    { "name": "source no", "source_sql": "SELECT 0" },
    { "name": "target", "target_sql": "SELECT count(*) = 1 FROM orders" },
    { "name": "target none", "target_sql": "SELECT 1 FROM orders WHERE n = 9", "expect": "no-rows" },
    { "name": "target some", "target_sql": "SELECT 1 FROM orders", "expect": "no-rows" },
    { "name": "two", "target_sql": "SELECT true FROM generate_series(1, 2)"
},
    { "name": "null", "target_sql": "SELECT NULL::boolean" },
    { "name": "broken", "target_sql": "SELECT 1 / 0" },
    { "name": "writes", "target_sql": "DELETE FROM orders RETURNING true" })json");
  const Outcome seen = dry({"--json", "--gate", "true", "--gate", "exit 4"});
  require_code(seen, 3);
  for (const char* const open : {"words", "source", "target", "target none", "true", "way back"})
    CHECK(gate(seen, open) == "open");
  CHECK(gate(seen, "shell") == "exit 7");
  CHECK(gate(seen, "source no") == "0");
  CHECK(gate(seen, "target some") == "1 rows");
  CHECK(gate(seen, "two") == "2 rows");
  CHECK(gate(seen, "null").empty());
  CHECK(gate(seen, "broken").find("division") != std::string::npos);
  CHECK(gate(seen, "writes").find("only read") != std::string::npos);
  CHECK(gate(seen, "exit 4") == "exit 4");
  CHECK(gate(seen, "compared") == "none");
  CHECK(gate(dry({"--json", "--verify-max-age", "1h"}), "compared") == "never compared");

  configure("");
  const Outcome plain = dry({});
  require_code(plain, 0);
  CHECK(plain.output.find("Pause budget 1000 ms") != std::string::npos);
  CHECK(dry({"--max-pause", "7s"}).output.find("Pause budget 7000 ms") != std::string::npos);

  // What a round of the way back would stop at shuts a gate before it is too late.
  server().query("ALTER TABLE orders ADD COLUMN extra text", "gates");
  CHECK(gate(dry({"--json"}), "way back").find("orders.extra") != std::string::npos);
  server().query("ALTER TABLE orders DROP COLUMN extra", "gates");
  REQUIRE(wait_until([&] { return dry({}).status.code == 0; }, 20s, 50ms));

  // hooks_dir is relative to the file; --hooks goes before it.
  std::filesystem::create_directories(folder.file("hooks/pre-cutover.d"));
  write_file(folder.file("hooks/pre-cutover.d/no"), "#!/bin/sh\nexit 9\n", 0700);
  const auto cutover = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"cutover", shop.file(), "--config", config, "--confirm", "shop", "--when-ready"});
    return lockstep(more);
  };
  const Outcome vetoed = cutover({});
  require_code(vetoed, 3);
  CHECK(everything(vetoed).find("LS-X620") != std::string::npos);
  CHECK(shop.sqlite_role() == "primary");
  const Outcome moved = cutover({"--hooks", folder.file("none"), "--max-pause", "5s"});
  require_code(moved, 0);
  CHECK(moved.output.find("(budget 5000 ms)") != std::string::npos);

  // The gates of rollback are its own.
  const std::vector<std::string> back{"rollback",  shop.file(), "--config",    config,
                                      "--confirm", "shop",      "--max-pause", "5s"};
  REQUIRE(wait_until([&] { return shop.settled(); }, 20s, 20ms));
  const Outcome shut = lockstep(back);
  require_code(shut, 3);
  CHECK(everything(shut).find("asked: 0 (true)") != std::string::npos);
  // Who waits is told for what, and then it begins.
  std::vector<std::string> patient = back;
  patient.insert(patient.end(), {"--when-ready", "--json"});
  const auto waiting = start_lockstep(patient);
  REQUIRE(wait_until([&] { return waiting->output().find("asked") != std::string::npos; }, 20s));
  CHECK(waiting->output().find(R"("open":false,"type":"gates")") != std::string::npos);
  CHECK(waiting->running());
  server().query("INSERT INTO orders(token) VALUES ('yes')", "gates");
  CHECK(waiting->wait_or_throw(30s) == ExitStatus{.code = 0});
  CHECK(shop.sqlite_role() == "primary");
}

TEST_CASE("what the databases have to be like before the writers move", "[system]") {
  Shop shop("databases");
  sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('second', 2)");
  require_caught_up(shop.run(), shop.file());
  const auto sql = [](const std::string& text) { server().query(text, "databases"); };
  const auto dry = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"cutover", shop.file(),        "--dry-run",
                                   "--json",  "--verify-max-age", "0"};
    words.insert(words.end(), more.begin(), more.end());
    return lockstep(words);
  };
  const auto now = [&](const std::string& name) { return gate(dry(), name); };
  require_code(dry(), 0);
  for (const char* const open :
       {"orphans", "sequences", "indexes", "long transactions", "durability", "quick_check"})
    CHECK(now(open) == "open");

  // Rows that a foreign key forbids are counted, and so are those that nobody can count in time.
  sql("CREATE TABLE parent(id bigint PRIMARY KEY); INSERT INTO parent VALUES (2);"
      "ALTER TABLE orders ADD CONSTRAINT o_n FOREIGN KEY (n) REFERENCES parent(id) NOT VALID");
  CHECK(now("orphans") == "orders: 1 rows (o_n)");
  require_code(dry(), 3);
  require_code(dry({"--accept-orphans"}), 0);
  sql("INSERT INTO parent VALUES (1)");
  CHECK(now("orphans") == "open");
  sql("ALTER TABLE orders DROP CONSTRAINT o_n");

  // No number is left behind the largest key.
  const std::string sequence =
      server().value("SELECT pg_get_serial_sequence('orders', 'id')", "databases");
  sql("ALTER SEQUENCE " + sequence + " MAXVALUE 2");
  CHECK_THAT(now("sequences"), Catch::Contains("ends at 2, which a number has reached"));
  sql("ALTER SEQUENCE " + sequence + " NO MAXVALUE");
  CHECK(now("sequences") == "open");

  sql("CREATE INDEX broken ON orders(n); UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
      "'broken'::regclass");
  CHECK(now("indexes") == "1 invalid");
  sql("DROP INDEX broken");

  // Who holds a lock that the switch would wait for is named, with what ends it.
  const std::unique_ptr<PGconn, decltype(&PQfinish)> session(PQconnectdb(shop.dsn().c_str()),
                                                             &PQfinish);
  PQclear(PQexec(session.get(), "BEGIN; LOCK TABLE orders IN SHARE MODE"));
  REQUIRE(wait_until([&] { return now("long transactions") != "open"; }, 20s, 50ms));
  CHECK_THAT(dry().output,
             Catch::Contains(fmt::format("pg_terminate_backend({})", PQbackendPID(session.get()))));
  PQclear(PQexec(session.get(), "COMMIT"));
  CHECK(now("long transactions") == "open");

  // A server that does not keep what it acknowledges.
  sql("ALTER SYSTEM SET full_page_writes = off");
  sql("SELECT pg_reload_conf()");
  REQUIRE(wait_until([&] { return now("durability") == "full_page_writes=off"; }, 20s, 50ms));
  require_code(shop.move("cutover"), 3);
  const Outcome moved = shop.move("cutover", {"--when-ready", "--accept-unsafe-server"});
  sql("ALTER SYSTEM RESET full_page_writes");
  sql("SELECT pg_reload_conf()");
  require_code(moved, 0);
  CHECK_THAT(everything(moved), Catch::Contains("LS-X666") &&
                                    Catch::Contains("durability is shut (full_page_writes=off"));
  saw_fault("A35", "HALT: gate durability names the settings; --accept-unsafe-server goes on");

  // How long each step took.
  std::vector<std::string> steps;
  for (const std::string& line : Shop::lines(moved.output)) {
    const auto object = nlohmann::json::parse(line);
    if (object["type"] == "step") {
      steps.push_back(object["step"]);
      CHECK(object["ms"].get<double>() >= 0);
      CHECK(object["at_us"].get<std::int64_t>() > 1'600'000'000'000'000);
    }
    if (object["type"] != "switched") continue;
    REQUIRE(object["steps"].size() == steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) CHECK(object["steps"][i]["step"] == steps[i]);
  }
  CHECK(steps == std::vector<std::string>{"LOCK", "DRAIN", "SEQUENCES", "SWITCH"});
}

TEST_CASE("who keeps a switch waiting is named to a role that is not told how long", "[system]") {
  Shop shop("hidden");
  std::string plain = shop.dsn();
  plain.replace(plain.find("postgres@"), 8, "plain");
  const auto grant = [](const std::string& more) {
    server().query(more +
                       "GRANT USAGE ON SCHEMA lockstep, public TO plain; GRANT SELECT ON ALL "
                       "TABLES IN SCHEMA lockstep, public TO plain",
                   "hidden");
  };
  grant("CREATE ROLE plain LOGIN; ");
  const auto now = [&](const std::string& direction) {
    const Outcome dry = lockstep({direction, shop.file(), plain, "--dry-run", "--json"});
    const std::string found = gate(dry, "long transactions");
    return found == "none" ? everything(dry) : found;
  };
  const std::unique_ptr<PGconn, decltype(&PQfinish)> session(PQconnectdb(shop.dsn().c_str()),
                                                             &PQfinish);
  CHECK(now("cutover") == "open");
  PQclear(PQexec(session.get(), "BEGIN; LOCK TABLE orders IN SHARE MODE"));
  CHECK_THAT(now("cutover"),
             Catch::Contains("holds ShareLock on orders") &&
                 Catch::Contains(fmt::format("pid {}", PQbackendPID(session.get()))));
  PQclear(PQexec(session.get(), "COMMIT"));
  CHECK(now("cutover") == "open");

  shop.moved("cutover");
  REQUIRE(wait_until([&] { return shop.settled(); }, 20s, 20ms));
  grant("");
  CHECK(now("rollback") == "open");
  PQclear(PQexec(session.get(), "BEGIN; INSERT INTO orders(token) VALUES ('open')"));
  CHECK_THAT(now("rollback"), Catch::Contains(fmt::format("pid {}", PQbackendPID(session.get()))));
  PQclear(PQexec(session.get(), "ROLLBACK"));
  CHECK(now("rollback") == "open");
}

TEST_CASE("who listens is told where to go, whoever moved readers or writers", "[system]") {
  Shop shop("listened");
  const std::unique_ptr<PGconn, decltype(&PQfinish)> session(PQconnectdb(shop.dsn().c_str()),
                                                             &PQfinish);
  PQclear(PQexec(session.get(), "LISTEN lockstep_route"));
  nlohmann::json told;
  const auto hears = [&](const std::string& member, const std::string& side) {
    return wait_until(
        [&] {
          PQconsumeInput(session.get());
          while (PGnotify* const each = PQnotifies(session.get())) {
            told = nlohmann::json::parse(each->extra);
            PQfreemem(each);
          }
          return told.is_object() && told[member] == side;
        },
        20s, 20ms);
  };
  require_code(lockstep({"route", shop.file(), "readers", "postgres"}), 0);
  CHECK(hears("readers", "postgres"));
  CHECK(told["writers"] == "sqlite");
  // Its coordinator is killed; lockstep run finishes it.
  REQUIRE(shop.move("cutover", {"--when-ready"},
                    {.environment = {"LOCKSTEP_FAILPOINTS=cut.committed=kill"}})
              .status == ExitStatus{.signal = SIGKILL});
  CHECK(hears("writers", "postgres"));
  CHECK(shop.route() == "postgres");
}

TEST_CASE("what is shut while a person or a hook takes their time stops the switch", "[system]") {
  Shop shop("meanwhile");
  const TempDir folder;
  const std::string before = folder.file("pre-cutover.d");
  std::filesystem::create_directory(before);
  // The gates were open when it began; behind it nobody follows.
  write_file(before + "/ends_it",
             fmt::format("#!/bin/sh\nkill -9 {}\nuntil flock -n -s '{}-lockstep' true; do sleep "
                         "0.01; done\n",
                         shop.run().pid(), shop.file()),
             0700);
  const Outcome stopped = shop.move("cutover", {"--when-ready", "--hooks", folder.path().string()});
  require_code(stopped, 3);
  CHECK_THAT(everything(stopped),
             Catch::Contains("LS-X603") && Catch::Contains("no lockstep is running"));
  CHECK(shop.sqlite_role() == "primary");
  CHECK(shop.postgres_role() == "replica");
}

TEST_CASE("a damaged SQLite file gets no cutover", "[system]") {
  Shop shop("damaged");
  shop.stop_following();
  sqlite(shop.file(), "PRAGMA wal_checkpoint(TRUNCATE)");
  const auto place = sqlite(
      shop.file(),
      "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE "
      "name = 'sqlite_autoindex_orders_1'");
  {
    std::fstream file(shop.file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(std::stoll(place.at(0)));
    file << std::string(100, '\xaa');
  }
  const auto seen = gate(lockstep({"cutover", shop.file(), "--dry-run", "--json"}), "quick_check");
  CHECK(seen != "ok");
  CHECK(seen != "open");
  CHECK(seen != "none");
}

TEST_CASE("hooks that others could have written are not run, and what hooks get", "[system]") {
  Shop shop("hooks");
  const TempDir folder;
  namespace fs = std::filesystem;
  const std::string hooks = folder.file("hooks"), seen = folder.file("seen");
  const std::string before = hooks + "/pre-cutover.d", after = hooks + "/post-switch.d";
  for (const std::string& each : {hooks, before, after}) {
    fs::create_directory(each);
    REQUIRE(::chmod(each.c_str(), 0755) == 0);
  }
  const std::string script =
      fmt::format("#!/bin/sh\nenv | grep ^LOCKSTEP_ | sort > {}.$(basename $0)\n", seen);
  write_file(before + "/ask", script, 0755);
  write_file(after + "/10-tell", script + "exit 7\n", 0755);
  write_file(after + "/20-more", script, 0755);
  const auto cutover = [&] {
    return lockstep({"cutover", shop.file(), "--verify-max-age", "0", "--max-pause", "5s",
                     "--confirm", "shop", "--when-ready", "--hooks", hooks});
  };
  const auto refused = [&](const std::string& path) {
    const Outcome outcome = cutover();
    INFO(path << ": " << everything(outcome));
    CHECK(outcome.status == ExitStatus{.code = 3});
    CHECK_THAT(outcome.error_output, Catch::Contains("LS-X660") && Catch::Contains(path));
    CHECK(shop.sqlite_role() == "primary");
  };
  for (const std::string& path : {hooks, before, after, before + "/ask", after + "/20-more"})
    for (const mode_t wrong : {0775U, 0757U}) {
      REQUIRE(::chmod(path.c_str(), wrong) == 0);
      refused(path);
      REQUIRE(::chmod(path.c_str(), 0755) == 0);
    }
  if (::geteuid() == 0) {
    REQUIRE(::chown((after + "/10-tell").c_str(), 12'345, 12'345) == 0);
    refused(after + "/10-tell");
    REQUIRE(::chown((after + "/10-tell").c_str(), 0, 0) == 0);
  }
  CHECK_FALSE(fs::exists(seen + ".ask"));

  // A hook behind the switch may fail: the switch stays, the next one runs.
  const Outcome moved = cutover();
  require_code(moved, 0);
  CHECK_THAT(moved.output,
             Catch::Contains("10-tell   exit 7") && Catch::Contains("20-more   exit 0"));
  CHECK(shop.sqlite_role() != "primary");
  const std::string asked = contents(seen + ".ask");
  CHECK_THAT(asked, Catch::Contains("LOCKSTEP_MIGRATION=shop\n") &&
                        Catch::Contains("LOCKSTEP_SOURCE_FILE=" + shop.file() + "\n") &&
                        Catch::Contains("LOCKSTEP_TARGET_SHOWN=") &&
                        Catch::Contains("LOCKSTEP_DIRECTION=cutover\n") &&
                        Catch::Contains("LOCKSTEP_WRITERS=postgres\n"));
  CHECK_THAT(asked, !Catch::Contains("LOCKSTEP_PAUSE_MS"));
  CHECK_THAT(contents(seen + ".20-more"), Catch::Contains("LOCKSTEP_PAUSE_MS="));
}

TEST_CASE("an older SQLite file has no backlog below nothing", "[system]") {
  Shop shop("older");
  shop.stop_following();
  sqlite(shop.file(), "PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string kept = shop.file() + ".kept";
  std::filesystem::copy_file(shop.file(), kept);
  shop.follow();
  sqlite(shop.file(), "INSERT INTO orders(token) VALUES ('x'), ('y')");
  require_caught_up(shop.run(), shop.file());
  shop.stop_following();
  std::filesystem::copy_file(kept, shop.file(), std::filesystem::copy_options::overwrite_existing);
  for (const char* more : {"-wal", "-shm"}) std::filesystem::remove(shop.file() + more);
  const Outcome shut = lockstep({"cutover", shop.file(), "--dry-run", "--json"});
  require_code(shut, 3);
  CHECK_THAT(gate(shut, "backlog"), Catch::StartsWith("SQLite lacks "));
  CHECK_THAT(lockstep({"status", shop.file()}).output, Catch::Contains("backlog    SQLite lacks "));
}

}  // namespace lockstep::test
