// Somebody else's triggers, rules and tables on the target: no batch and no chunk is kept that one
// of them could have changed, however short it was there.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/followed_target.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

using namespace std::chrono_literals;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kSchema[] =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT);"
    "CREATE TABLE k(k TEXT PRIMARY KEY, n INT);"
    "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO k VALUES ('a', 1), ('b', 1);";
constexpr char kChanges[] =
    "BEGIN; UPDATE a SET n = n + 1; INSERT INTO a(u) VALUES (hex(randomblob(8)));"
    "UPDATE k SET n = n + 1 WHERE k = 'a'; DELETE FROM k WHERE k = 'b';"
    "INSERT INTO k VALUES (hex(randomblob(8)), 1); COMMIT";
constexpr char kSwallow[] =
    "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';";

struct Meddling {
  std::string make, undo, named;
};
const std::vector<Meddling> kMeddlings{
    {"CREATE TRIGGER meddles BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION swallow()",
     "DROP TRIGGER meddles ON a", "a has a trigger meddles"},
    {"CREATE TRIGGER meddles BEFORE DELETE ON k FOR EACH ROW EXECUTE FUNCTION swallow()",
     "DROP TRIGGER meddles ON k", "k has a trigger meddles"},
    {"CREATE RULE stays AS ON DELETE TO k DO INSTEAD NOTHING", "DROP RULE stays ON k",
     "k has a rule stays"},
    {"CREATE TABLE child(k text REFERENCES k ON DELETE CASCADE)", "DROP TABLE child",
     "k has a trigger RI_ConstraintTrigger"},
    {"ALTER TABLE k RENAME TO old; CREATE TABLE k (LIKE old INCLUDING ALL)",
     "DROP TABLE k; ALTER TABLE old RENAME TO k", "k is gone, or another table"},
};

bool waits_for_lock(const std::string& dsn, int pid) {
  const std::string sql = fmt::format(
      "SELECT 1 FROM pg_stat_activity WHERE pid = {} AND wait_event_type = 'Lock'", pid);
  return wait_until([&] { return !query(dsn, sql).empty(); }, 20s);
}

struct World {
  World() : source(kSchema) {
    source.install();
    target.emplace(server(), source);
    target->query(kSwallow);
  }
  Batch changes() {
    source.app().exec(kChanges);
    return source.take().value();
  }
  CapturedSource source;
  std::optional<FollowedTarget> target;
};

}  // namespace

TEST_CASE("no batch is kept that a trigger, a rule or another table could have changed") {
  const bool staging = GENERATE(false, true);
  const std::size_t which = GENERATE(range(std::size_t{0}, kMeddlings.size()));
  const Meddling& meddling = kMeddlings[which];
  INFO(meddling.make << (staging ? ", staging" : ", small"));
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  Batch batch;
  ErrorFacts facts;
  {
    apply::Applier applier = target.applier(target.connection(), staging);
    (void)apply_batch(applier, world.changes());  // its statements are planned
    target.query(meddling.make);
    world.source.app().exec(
        "INSERT INTO k VALUES ('b', 1); UPDATE k SET n = 5 WHERE k = 'a'; INSERT INTO a VALUES (9, "
        "'9', 9); DELETE FROM k WHERE k = 'b'");
    batch = world.source.take().value();
    facts = facts_of([&] { (void)apply_batch(applier, batch); });
  }
  CHECK(facts.code == "LS-T255");
  INFO(facts.why);
  CHECK(facts.why.find(meddling.named) != std::string::npos);
  CHECK(facts.retry == Retry::same_session);
  CHECK(target.position() == batch.begin.from);
  target.query(meddling.undo);
  // A new session does it; what the last one had planned is no more.
  apply::Applier again = target.applier(target.connection(), staging);
  (void)apply_batch(again, batch);
  CHECK(target.position() == world.source.position());
  CHECK(target.difference() == "");
}

TEST_CASE("a batch that falls back is judged by what was planned in its own transaction") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  apply::Applier applier = target.applier(target.connection());
  // Rows 1 and 2 exchange a unique value: the batch is done by delete and insert, and says so.
  world.source.app().exec(
      "BEGIN; UPDATE a SET u = NULL WHERE id = 1; UPDATE a SET u = 'a' WHERE id = 2; UPDATE a SET "
      "u = 'b' WHERE id = 1; COMMIT");
  CHECK(apply_batch(applier, world.source.take().value()).fell_back);
  CHECK(target.connection()
            .exec("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'lockstep_u%'")
            .integer(0, 0) == 0);
  CHECK(target.difference() == "");
}

// It is behind every batch: what stands on other tables must cost it nothing.
TEST_CASE("however many tables there are, only the triggers of those written are looked at") {
  const std::string dsn = server().create_database("many_triggers");
  query(dsn,
        std::string(kSwallow) +
            "DO $$ BEGIN FOR i IN 1..400 LOOP EXECUTE format('CREATE TABLE t%s(id bigint);"
            "CREATE TRIGGER a BEFORE INSERT ON t%1$s EXECUTE FUNCTION swallow();"
            "CREATE TRIGGER b BEFORE DELETE ON t%1$s EXECUTE FUNCTION swallow()', i); END LOOP;"
            "END $$; ANALYZE pg_catalog.pg_trigger; ANALYZE pg_catalog.pg_class");
  const Rows plan = query(
      dsn,
      "PREPARE look(oid[], text[], text) AS " + postgres::meddling_sql(false) +
          "; SET plan_cache_mode = force_generic_plan; EXPLAIN EXECUTE look(NULL, NULL, NULL)");
  std::string text;
  for (const auto& line : plan) text += line[0].value() + '\n';
  INFO(text);
  CHECK_THAT(text, Catch::Contains("Scan using pg_trigger_tgrelid_tgname_index") ||
                       Catch::Contains("Bitmap Index Scan on pg_trigger_tgrelid_tgname_index"));
  CHECK_THAT(text, !Catch::Contains("Seq Scan on pg_trigger"));
}

TEST_CASE("in a silent session only a trigger that fires there stops a batch") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  target.query(kMeddlings[0].make);
  const auto silent = [&] {
    return apply::Applier(
        target.connection(), world.source.plans(),
        {.migration = kMigration, .schema = "public", .keyed = true, .silent = true});
  };
  {
    apply::Applier applier = silent();
    (void)apply_batch(applier, world.changes());
    CHECK(target.difference() == "");
  }
  for (const std::string always : {"ALWAYS", "REPLICA"}) {
    INFO(always);
    target.query("ALTER TABLE a ENABLE " + always + " TRIGGER meddles");
    const Batch batch = world.changes();
    {
      apply::Applier applier = silent();
      CHECK(facts_of([&] { (void)apply_batch(applier, batch); }).code == "LS-T255");
    }
    target.query("ALTER TABLE a ENABLE TRIGGER meddles");
    apply::Applier again = silent();
    (void)apply_batch(again, batch);
    CHECK(target.difference() == "");
  }
}

TEST_CASE("a trigger comes before a batch, which sees it, or after its commit") {
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  postgres::Connection blocker = connect(target.dsn()), other = connect(target.dsn()),
                       working = connect(target.dsn());
  ErrorFacts facts;
  const auto apply = [&](const Batch& batch) {
    apply::Applier applier = target.applier(working);
    facts = facts_of([&] { (void)apply_batch(applier, batch); });
  };
  // The batch has written to a, and waits for a row of k.
  blocker.exec("BEGIN; SELECT 1 FROM public.k WHERE k = 'a' FOR UPDATE");
  std::thread applying(apply, world.changes());
  const bool batch_waits = waits_for_lock(target.dsn(), working.backend_pid());
  std::thread making([&] { other.exec("SET search_path = public; " + kMeddlings[0].make); });
  const bool trigger_waits = waits_for_lock(target.dsn(), other.backend_pid());
  blocker.exec("ROLLBACK");
  applying.join();
  making.join();
  REQUIRE((batch_waits && trigger_waits));
  CHECK(facts.code == "none");
  CHECK(target.position() == world.source.position());
  CHECK(target.difference() == "");
  // It is there now; another one is being made when the next batch comes.
  target.query(kMeddlings[0].undo);
  const Position before = target.position();
  other.exec("BEGIN; " + kMeddlings[0].make);
  const Batch batch = world.changes();
  std::thread second(apply, batch);
  const bool waits = waits_for_lock(target.dsn(), working.backend_pid());
  other.exec("COMMIT");
  second.join();
  REQUIRE(waits);
  CHECK(facts.code == "LS-T255");
  CHECK(target.position() == before);
}

TEST_CASE("rows that the server does not count as written are told, whatever took them") {
  const bool staging = GENERATE(false, true);
  INFO((staging ? "staging" : "small"));
  World world;
  FollowedTarget& target = *world.target;
  target.copy_and_index();
  const Position before = target.position();
  // One that passes for lockstep's own.
  target.query(
      "CREATE FUNCTION lockstep.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; "
      "END'; CREATE TRIGGER _lockstep_guard BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION "
      "lockstep.swallow()");
  ErrorFacts facts;
  {
    apply::Applier applier = target.applier(target.connection(), staging);
    const Batch batch = world.changes();
    facts = facts_of([&] { (void)apply_batch(applier, batch); });
  }
  CHECK(facts.code == "LS-T256");
  CHECK(facts.exit == ExitCode::stopped);
  // A small batch is committed by then; a staged one is not.
  CHECK((target.position() == before) == staging);
}

TEST_CASE("an index that takes two keys for one is none that an upsert goes by") {
  // Tables of lockstep's, and one of an ORM's whose key has a collation of its own.
  const bool existing = GENERATE(false, true);
  const std::string way = GENERATE(as<std::string>(), "small", "staging", "whole");
  const std::string table = GENERATE(as<std::string>(), "k", "bare");
  INFO(table << ", " << way << (existing ? ", existing" : ""));
  CapturedSource source(
      "CREATE TABLE k(k TEXT PRIMARY KEY NOT NULL, n INT); CREATE TABLE bare(k TEXT PRIMARY KEY "
      "NOT NULL) WITHOUT ROWID; INSERT INTO k VALUES ('BOB', 1); INSERT INTO bare VALUES ('BOB');");
  source.install();
  FollowedTarget target(server(), source);
  target.copy_and_index();
  std::vector<TablePlan> plans = source.plans();
  for (TablePlan& plan : plans) {
    if (!existing) continue;
    target.query(fmt::format("ALTER TABLE {} ALTER k TYPE text COLLATE \"C\"", plan.name()));
    plan.existing.emplace();
    plan.existing->upserts = true;
    for (std::size_t i = 0; i < plan.types.size(); ++i) {
      const std::string type(to_string(plan.types[i]));
      plan.existing->columns.push_back(
          {plan.target_column(i), type, i == 0, parse_target_type(type).value()});
    }
  }
  const auto apply = [&](const Batch& batch) {
    apply::ApplierOptions options{.migration = kMigration, .schema = "public", .keyed = true};
    if (way != "small") options.limits = {.small_entries_max = 0};
    apply::Applier applier(target.connection(), plans, options);
    applier.begin(batch.begin);
    if (way == "whole")
      for (const TablePlan& plan : plans)
        if (plan.name() == table) applier.reset({plan.id});
    for (const capture::Slice& slice : batch.slices) applier.entries(slice.entries);
    (void)applier.end(batch.end);
  };
  target.query(fmt::format(
      "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = "
      "false); CREATE UNIQUE INDEX folded ON {} (k COLLATE folding)",
      table));
  // Every row of the table, so that it can be sent whole.
  const std::string touch = fmt::format("INSERT OR REPLACE INTO {0} SELECT * FROM {0};", table);
  source.app().exec(touch);
  apply(source.take().value());
  CHECK(target.difference() == "");
  const Position before = target.position();
  source.app().exec(
      (way == "whole" ? touch : std::string()) +
      (table == "k" ? "INSERT INTO k VALUES ('bob', 2)" : "INSERT INTO bare VALUES ('bob')"));
  const Batch batch = source.take().value();
  const ErrorFacts facts = facts_of([&] { apply(batch); });
  INFO(facts.what << ": " << facts.why);
  CHECK(facts.code == (existing ? "LS-T211" : "LS-T210"));
  CHECK(facts.why.find(existing ? "takes two keys for one" : "folded") != std::string::npos);
  CHECK(facts.why.find("BOB") == std::string::npos);
  CHECK(target.position() == before);
  target.query("DROP INDEX folded");
  apply(batch);
  CHECK(target.difference() == "");
}

TEST_CASE("no chunk of the copy is kept that a trigger could have changed") {
  World world;
  FollowedTarget& target = *world.target;
  target.query(
      "CREATE FUNCTION tenfold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n := 10; RETURN "
      "NEW; END'; CREATE TRIGGER meddles BEFORE INSERT ON k FOR EACH ROW EXECUTE FUNCTION "
      "tenfold()");
  const ErrorFacts facts = facts_of([&] { copy_all(world.source, target.connection()); });
  CHECK(facts.code == "LS-T255");
  CHECK(facts.why.find("k has a trigger meddles") != std::string::npos);
  CHECK(target.query("SELECT count(*) FROM k") == Rows{{"0"}});
  target.query("DROP TRIGGER meddles ON k");
  target.copy_and_index();
  CHECK(target.difference() == "");
}

}  // namespace lockstep::test
