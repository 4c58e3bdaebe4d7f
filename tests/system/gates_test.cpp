// What has to hold before the writers move: limits, gates and hooks of the configuration, flags
// before them, and the way back, which is tried before anybody needs it.
#include <sys/stat.h>

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
    write_file(config, R"({ "version": 1, "cutover": { "max_pause": "1s", "verify_max_age": "0ms",
      "gates": [)" + gates +
                           R"(] }, "rollback": { "max_pause": "2s", "gates": [
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
  server().query("INSERT INTO orders(token) VALUES ('yes')", "gates");
  REQUIRE(wait_until([&] { return lockstep(back).status.code == 0; }, 20s, 50ms));
  CHECK(shop.sqlite_role() == "primary");
}

TEST_CASE("what somebody answers for shuts no gate, until the waiver's last day", "[system]") {
  Shop shop("waived");
  const TempDir folder;
  const std::string config = folder.file("waived.json");
  const auto waive = [&](int rows, const std::string& until) {
    write_file(config, fmt::format(R"({{ "version": 1, "waivers": [ {{ "check": "LS-V501", "table":
      "ord*", "max_rows": {}, "reason": "a test row", "by": "kim", "until": "{}" }} ] }})",
                                   rows, until));
  };
  const auto asked = [&](const std::string& command, std::vector<std::string> more) {
    more.insert(more.begin(), {command, shop.file(), "--config", config});
    return lockstep(more);
  };
  const auto compared = [&](const std::string& direction) {
    const Outcome dry = asked(direction, {"--dry-run", "--json", "--verify-max-age", "1h"});
    for (const std::string& line : Shop::lines(dry.output)) {
      const auto object = nlohmann::json::parse(line);
      if (object["type"] != "gates") continue;
      for (const auto& each : object["gates"])
        if (each["name"] == "compared")
          return fmt::format("{}: {}", each["open"].get<bool>() ? "open" : "shut",
                             each["found"].get<std::string>());
    }
    return everything(dry);
  };
  sqlite(shop.file(), "INSERT INTO orders(token, n) VALUES ('second', 2)");
  wait_caught_up(shop.file());
  server().query("SET session_replication_role = replica; UPDATE orders SET n = 7", "waived");
  waive(2, "2999-12-31");
  require_code(asked("verify", {}), 9);
  using Catch::Contains;
  CHECK_THAT(compared("cutover"),
             Contains("open: equal but for waivers, ") &&
                 Contains("waived: orders (2 rows; waived until 2999-12-31 by kim: a test row)"));
  waive(1, "2999-12-31");
  CHECK_THAT(compared("cutover"), Contains("shut: different: orders (2 rows; the waiver of kim is "
                                           "for 1 row(s), these are 2)"));
  waive(2, "2020-12-31");
  CHECK_THAT(compared("cutover"), Contains("shut: different: orders (2 rows; the waiver of kim "
                                           "ended with 2020-12-31)"));
  require_code(asked("verify", {}), 4);
  const std::vector<std::string> now{"--confirm", "shop", "--max-pause", "5s"};
  require_code(asked("cutover", now), 3);
  CHECK(shop.sqlite_role() == "primary");
  // It is no proof: who waits for that goes on waiting.
  waive(2, "2999-12-31");
  require_code(asked("wait", {"--for", "verified", "--timeout", "200ms"}), 6);
  require_code(asked("cutover", now), 0);
  REQUIRE(wait_until([&] { return shop.settled(); }, 20s, 20ms));

  // The gates of rollback know it as well.
  REQUIRE(wait_until([&] { return asked("verify", {}).status.code == 9; }, 20s, 50ms));
  CHECK_THAT(compared("rollback"), Contains("open: ") && Contains("waived: orders (2 rows; "));
  waive(2, "2020-12-31");
  CHECK_THAT(compared("rollback"), Contains("shut: ") && Contains("2 rows differ (orders: the "
                                                                  "waiver of kim ended"));
  require_code(asked("rollback", now), 3);
  waive(2, "2999-12-31");
  REQUIRE(wait_until([&] { return asked("rollback", now).status.code == 0; }, 20s, 50ms));
  CHECK(shop.sqlite_role() == "primary");
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
