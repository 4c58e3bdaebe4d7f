// Validators, counts and checks beside the digests, waivers, masked values, and the reports.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/system/followed.hpp"

namespace lockstep::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kSchema[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE customers(id INTEGER PRIMARY KEY, mail TEXT NOT NULL, note TEXT);"
    "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INT REFERENCES customers(id), total REAL,"
    " paid BOOLEAN);"
    "CREATE INDEX orders_by_customer ON orders(customer);"
    "CREATE TABLE hidden(word TEXT PRIMARY KEY);"
    "CREATE TABLE mixed(id INTEGER PRIMARY KEY, n INT);"
    "INSERT INTO customers VALUES (1, 'kim@example.org', 'a'), (2, 'lee@example.org', NULL);"
    "INSERT INTO orders VALUES (1, 1, 10.5, 1), (2, 2, 4.5, 0), (3, 1, 5, 1);"
    "INSERT INTO hidden VALUES ('sesame');"
    "INSERT INTO mixed VALUES (1, 1), (2, 'n/a'), (3, 3);";

class World {
 public:
  explicit World(const std::string& name) : name_(name), file_(folder_.file(name + ".db")) {
    sqlite(file_, kSchema);
    // Where readers and writers exclude each other a query is cut off after a quarter of a second.
    if (name == "validators") sqlite(file_, "PRAGMA journal_mode = DELETE");
    dsn_ = server().create_database(name);
    start();
  }
  void start() {
    write_config("");
    running_ =
        start_lockstep({"run", file_, dsn_, "--quiet", "--exclude", "hidden", "--on-bad-value",
                        "quarantine", "--guard", "off", "--config", config_});
    require_caught_up(*running_, file_);
  }
  void stop() {
    running_->signal(SIGTERM);
    CHECK(running_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }
  /// `members` of the configuration beside the one that marks the mails.
  void write_config(const std::string& members) {
    config_ = folder_.file("lockstep.json");
    std::ofstream(config_) << R"({"version": 1, "columns": {"customers.mail": {"pii": true}})"
                           << (members.empty() ? "" : ", ") << members << "}";
    std::filesystem::permissions(
        config_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  Outcome verify(std::vector<std::string> more, const std::string& dsn = "") {
    more.insert(more.begin(), {"verify", file_, dsn.empty() ? dsn_ : dsn, "--config", config_});
    return lockstep(std::move(more));
  }
  void on_target(const std::string& sql) const { server().query(sql, name_); }
  void write(const std::string& sql) {
    sqlite(file_, sql);
    require_caught_up(*running_, file_);
  }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }

 private:
  TempDir folder_;
  std::string name_, file_, dsn_, config_;
  std::unique_ptr<Process> running_;
};

Json named(const Outcome& outcome, const std::string& name) {
  for (const Json& object : objects(outcome, "check"))
    if (object["name"] == name) return object;
  return {};
}

std::vector<std::string> codes(const Outcome& outcome) {
  std::vector<std::string> found;
  for (const Json& object : objects(outcome, "finding"))
    found.push_back(object["code"].get<std::string>() + " " + object["table"].get<std::string>());
  std::sort(found.begin(), found.end());
  return found;
}

std::string validator(const std::string& name, const std::string& source, const std::string& target,
                      const std::string& expect = "equal") {
  return Json{{"name", name}, {"source", source}, {"target", target}, {"expect", expect}}.dump();
}

std::string validators(const std::vector<std::string>& all) {
  std::string list;
  for (const std::string& one : all) list += (list.empty() ? "" : ", ") + one;
  return R"("verify": {"validators": [)" + list + "]}";
}

}  // namespace

TEST_CASE("validators are judged at one position of both sides, live and at rest", "[system]") {
  World world("validators");
  world.write_config(validators(
      {validator("paid totals", "SELECT sum(total) FROM orders WHERE paid = 1",
                 "SELECT sum(total) FROM orders WHERE paid"),
       validator("by customer", "SELECT customer, count(*) FROM orders GROUP BY 1 ORDER BY 1",
                 "SELECT customer, count(*) FROM orders GROUP BY 1 ORDER BY 1"),
       validator("about", "SELECT 100", "SELECT 95.5", "within 5%"),
       validator("grows", "SELECT 1", "SELECT 2", "<="),
       validator(
           "no orphans", "SELECT 1 FROM orders WHERE customer NOT IN (SELECT id FROM customers)",
           "SELECT FROM orders WHERE customer NOT IN (SELECT id FROM customers)", "no-rows")}));
  for (const bool live : {true, false}) {
    INFO(live);
    if (!live) world.stop();
    const Outcome good = world.verify({"--json"});
    require_code(good, 9);  // one row in quarantine
    CHECK(objects(good, "check").size() == 5);
    CHECK(named(good, "paid totals")["source"] == "15.5");
    CHECK(named(good, "paid totals")["target"] == "15.5");
    CHECK(named(good, "paid totals")["position"].is_string());
    CHECK(named(good, "by customer")["source"] == "1, 2 | 2, 1");
    CHECK(codes(good).empty());
  }
  world.write_config(validators(
      {validator("apart", "SELECT 5", "SELECT 6"),
       validator("mail", "SELECT mail FROM customers", "SELECT mail || 'x' FROM customers"),
       validator("cast", "SELECT 1", "SELECT max(mail::int) FROM customers"),
       validator("only there", "SELECT count(*) FROM orders",
                 "SELECT max(c::text) FROM customers AS c"),
       validator("writes", "DELETE FROM orders", "SELECT 1"),
       validator("attaches", "ATTACH '/tmp/other.db' AS other", "SELECT 1"),
       validator("left out", "SELECT word FROM hidden", "SELECT 1"),
       validator("ours", "SELECT count(*) FROM _lockstep_changes", "SELECT 1"),
       validator("writes there", "SELECT 1", "DELETE FROM orders RETURNING 1"),
       validator("two", "SELECT 1", "SELECT 1) AS a; DELETE FROM orders; SELECT (1"),
       validator("creeps", "SELECT 1",
                 "SELECT setval(pg_get_serial_sequence('orders', 'id'), 9)")}));
  for (const bool live : {false, true}) {
    INFO(live);
    if (live) {
      world.start();
      world.write_config(validators(
          {validator("apart", "SELECT 5", "SELECT 6"),
           validator("mail", "SELECT mail FROM customers", "SELECT mail || 'x' FROM customers"),
           validator("cast", "SELECT 1", "SELECT max(mail::int) FROM customers"),
           validator("only there", "SELECT count(*) FROM orders",
                     "SELECT max(c::text) FROM customers AS c"),
           validator("writes", "DELETE FROM orders", "SELECT 1"),
           validator("attaches", "ATTACH '/tmp/other.db' AS other", "SELECT 1"),
           validator("left out", "SELECT word FROM hidden", "SELECT 1"),
           validator("ours", "SELECT count(*) FROM _lockstep_changes", "SELECT 1"),
           validator("writes there", "SELECT 1", "DELETE FROM orders RETURNING 1"),
           validator("two", "SELECT 1", "SELECT 1) AS a; DELETE FROM orders; SELECT (1"),
           validator("for ever",
                     "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT "
                     "count(*) FROM t",
                     "SELECT 1")}));
      sqlite(world.in_folder("validators.db"), "PRAGMA user_version = 7");
    }
    const Outcome bad = world.verify({"--json"});
    require_code(bad, 4);
    CHECK(everything(bad).find("@example") == std::string::npos);
    CHECK(everything(bad).find("sesame") == std::string::npos);
    CHECK_THAT(named(bad, "mail")["source"].get<std::string>(), Contains("xxh3:"));
    std::vector<std::string> found = codes(bad);
    REQUIRE(found.size() == 11);
    CHECK(found[0] == "LS-V522 apart");
    CHECK(found[1] == "LS-V522 mail");
    CHECK(found[2] == "LS-V522 only there");
    CHECK(named(bad, "apart")["target"] == "6");  // it reads no table with personal data
    CHECK_THAT(named(bad, "only there")["target"].get<std::string>(), Contains("xxh3:"));
    CHECK_THAT(named(bad, "cast")["what"].get<std::string>(), Contains("SQLSTATE 22P02"));
    for (std::size_t i = 3; i < found.size(); ++i) CHECK_THAT(found[i], Contains("LS-V523 "));
    for (const char* name : {"writes", "attaches"})
      CHECK_THAT(named(bad, name)["what"].get<std::string>(), Contains("has to be one SELECT"));
    CHECK_THAT(named(bad, "left out")["what"].get<std::string>(), Contains("no table that is"));
    if (live)
      CHECK(named(bad, "for ever")["what"] == "it ran for too long on the source and was cut off");
    else
      CHECK(named(bad, "creeps")["what"] == "the target may not run it: it writes");
    CHECK(sqlite(world.in_folder("validators.db"), "SELECT count(*) FROM orders")[0] == "3");
    CHECK(server().query("SELECT count(*) FROM orders", world.name())[0][0] == "3");
  }
  // A role that may only read cannot have its SQL run with more rights than its own.
  world.on_target(
      "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA lockstep TO reader; GRANT SELECT ON ALL "
      "TABLES IN SCHEMA lockstep, public TO reader");
  world.write_config(validators({validator("mine", "SELECT 1", "SELECT 1")}));
  std::string reader_dsn = world.dsn();
  reader_dsn.replace(reader_dsn.find("postgres@"), 8, "reader");
  const Outcome reader = world.verify({"--json"}, reader_dsn);
  require_code(reader, 4);
  CHECK_THAT(named(reader, "mine")["what"].get<std::string>(), Contains("role reader may not"));
  const Outcome counted = world.verify({"--json", "--counts"}, reader_dsn);
  require_code(counted, 9);
}

TEST_CASE("both answers are of one state while the application writes", "[system]") {
  World world("moving");
  world.write_config(validators(
      {validator("state", "SELECT count(*), sum(total), max(id) FROM orders",
                 "SELECT count(*), sum(total)::numeric, max(id) FROM orders"),
       validator("never in between",
                 "SELECT 1 FROM orders GROUP BY customer HAVING sum(paid) > 900",
                 "SELECT 1 FROM orders GROUP BY customer HAVING sum(total) < 0", "no-rows")}));
  std::atomic<bool> stop = false;
  std::thread application([&] {
    while (!stop)
      sqlite(world.in_folder("moving.db"),
             "INSERT INTO orders(customer, total, paid) VALUES (1, abs(random()) % 100, 0);"
             "UPDATE orders SET total = total + 0.25 WHERE id = 1 + abs(random()) % 9");
  });
  std::set<std::string> states;
  std::vector<Outcome> outcomes;
  for (int round = 0; round < 3; ++round) {
    outcomes.push_back(world.verify({"--json"}));
    outcomes.push_back(world.verify({"--json", "--counts"}));
  }
  stop = true;
  application.join();
  for (const Outcome& outcome : outcomes) {
    require_code(outcome, 9);  // one row in quarantine
    CHECK(codes(outcome).empty());
    const Json state = named(outcome, "state");
    states.insert(state.is_null() ? named(outcome, "orders")["source"] : state["source"]);
  }
  CHECK(states.size() == 6);
}

TEST_CASE("checks name what a digest cannot see, and waivers answer for it", "[system]") {
  World world("checks");
  require_code(world.verify({"--counts"}), 9);
  const Outcome good = world.verify({"--checks", "--json"});
  require_code(good, 9);
  CHECK(objects(good, "check").size() == 3);

  world.on_target(
      "SET session_replication_role = replica; DROP INDEX orders_by_customer;"
      "ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_customer_fkey;"
      "DELETE FROM customers WHERE id = 2;"
      "UPDATE orders SET total = 11 WHERE id = 1; UPDATE customers SET mail = 'x' WHERE id = 1");
  world.write("INSERT INTO orders VALUES (50, 1, 1, 1)");
  for (const bool live : {true, false}) {
    INFO(live);
    if (!live) {
      world.stop();
      // While it follows, lockstep itself would stop at that (LS-T214).
      world.on_target("ALTER TABLE customers ALTER mail DROP NOT NULL");
    }
    const Outcome counts = world.verify({"--counts", "--json"});
    require_code(counts, 4);
    CHECK(codes(counts) == std::vector<std::string>{"LS-V520 customers"});
    CHECK(objects(counts, "table").empty());

    const std::string html = world.in_folder("report.html"), junit = world.in_folder("report.xml");
    const Outcome all = world.verify({"--checks", "--json", "--html", html, "--junit", junit});
    require_code(all, 4);
    std::vector<std::string> found = codes(all);
    if (live) found.emplace_back("LS-V530 customers");
    for (const char* code :
         {"LS-V521 customers", "LS-V521 orders", "LS-V525 orders", "LS-V526 orders",
          "LS-V528 orders", "LS-V529 orders", "LS-V530 customers"}) {
      INFO(code << " in\n" << all.output);
      CHECK(std::find(found.begin(), found.end(), code) != found.end());
    }
    CHECK(found.size() == 7);
    for (const std::string& text :
         {everything(all), contents(html), contents(junit), everything(world.verify({}))}) {
      CHECK(text.find("@example") == std::string::npos);
      CHECK_THAT(text, Contains("xxh3:"));
    }
    CHECK_THAT(contents(junit), Contains("<failure message=\"LS-V501"));
    CHECK_THAT(contents(html), Contains("LS-V528"));
  }
  CHECK(server().query(
            "SELECT count(*) FROM lockstep.verify_differences WHERE shown LIKE '%@example%'",
            world.name())[0][0] == "0");

  const auto waiver = [](const char* code, const char* table, int rows, const char* until) {
    return Json{{"check", code},    {"table", table}, {"max_rows", rows},
                {"reason", "ours"}, {"by", "kim"},    {"until", until}}
        .dump();
  };
  world.write_config("\"waivers\": [" + waiver("LS-V501", "customers", 2, "2999-12-31") + "," +
                     waiver("LS-V501", "orders", 1, "2999-12-31") + "]");
  const Outcome waived = world.verify({});
  require_code(waived, 9);
  CHECK_THAT(waived.output, Contains("waived until 2999-12-31 by kim: ours"));
  world.write_config("\"waivers\": [" + waiver("LS-V501", "customers", 1, "2999-12-31") + "," +
                     waiver("LS-V501", "orders", 1, "2020-12-31") + "]");
  const Outcome refused = world.verify({});
  require_code(refused, 4);
  CHECK_THAT(refused.output,
             Contains("not waived: the waiver of kim is for 1 row(s), these are 2"));
  CHECK_THAT(refused.output, Contains("not waived: the waiver of kim ended with 2020-12-31"));
}

TEST_CASE("a key that is there twice and an index that is not valid are named", "[system]") {
  World world("damaged");
  world.stop();  // it would stop by itself at a table without its key
  world.on_target(
      "ALTER TABLE customers DROP CONSTRAINT customers_pkey CASCADE; INSERT INTO customers SELECT "
      "* FROM customers WHERE id = 1");
  CHECK_THROWS(world.on_target("CREATE UNIQUE INDEX CONCURRENTLY half ON orders(customer)"));
  const Outcome all = world.verify({"--checks", "--json"});
  require_code(all, 4);
  std::vector<std::string> found = codes(all);
  CHECK(std::count(found.begin(), found.end(), "LS-V524 customers") == 1);
  CHECK(std::count(found.begin(), found.end(), "LS-V527 orders") == 1);
  CHECK_THAT(all.output, Contains("1 key(s) are there more than once"));
  world.on_target(
      "DROP INDEX half; DELETE FROM customers WHERE ctid IN (SELECT max(ctid) FROM customers WHERE "
      "id = 1)");
  found = codes(world.verify({"--checks", "--json"}));
  CHECK(std::count(found.begin(), found.end(), "LS-V524 customers") == 0);
  CHECK(std::count(found.begin(), found.end(), "LS-V527 orders") == 0);
}

TEST_CASE("numbers at either end of the integers are no further than a check can count") {
  World world("far");
  world.on_target("SELECT setval(pg_get_serial_sequence('orders', 'id'), 5)");
  for (const char* id : {"-9223372036854775808", "9223372036854775807"}) {
    INFO(id);
    world.write("DELETE FROM orders; INSERT INTO orders VALUES (" + std::string(id) + ", 1, 1, 1)");
    const Outcome checked = world.verify({"--checks", "--json"});
    CHECK(checked.output.find("LS-T211") == std::string::npos);
    std::vector<std::string> found = codes(checked);
    const bool behind = std::find(found.begin(), found.end(), "LS-V529 orders") != found.end();
    CHECK(behind == (id[0] != '-'));
  }
}

}  // namespace lockstep::test
