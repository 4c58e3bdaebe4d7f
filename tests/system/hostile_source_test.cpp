// A SQLite file that somebody has made to do harm: with names that write to terminals and logs,
// with a damaged or forged schema.
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "tests/support/fault.hpp"
#include "tests/support/seed.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

/// Lines are the only control characters that a text of ours has.
bool obeys_nobody(const std::string& text) {
  return text.find_first_of("\x1b\r\x07\x08\x7f") == std::string::npos;
}

/// Damages the file at `path` as dice say: bytes of the header or schema, of any page, or its end.
void damage(const std::string& path, const std::string& sound, std::mt19937_64& random) {
  std::string bytes = sound;
  const std::size_t reach = random() % 2 == 0 ? 4'096 : bytes.size();
  for (std::uint64_t i = 1 + random() % 12; i > 0; --i)
    bytes[random() % reach] = static_cast<char>(random());
  if (random() % 6 == 0) bytes.resize(random() % bytes.size());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("names that obey no terminal are shown as what they are, and start no lines of a log",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("names.db");
  // Refused, so that the names are in errors: a key with NULL.
  sqlite(file,
         "CREATE TABLE \"a\x1b[2J\x1b]0;owned\x07\nerror[LS-X999]: forged\r\"(\"k\x1b[1m\" TEXT "
         "PRIMARY KEY, v TEXT); INSERT INTO \"a\x1b[2J\x1b]0;owned\x07\nerror[LS-X999]: "
         "forged\r\" VALUES (NULL, 'v')");
  for (const auto& command : {std::vector<std::string>{"assess", file},
                              {"assess", file, "--columns"},
                              {"assess", file, "--json"},
                              {"run", file, "host=/nowhere"},
                              {"schema", "generate", file},
                              {"status", file}}) {
    const Outcome outcome = lockstep(command);
    INFO(command[0] << ": " << everything(outcome));
    CHECK(obeys_nobody(everything(outcome)));
    CHECK(everything(outcome).find("\nerror[LS-X999]") == std::string::npos);
  }
  REQUIRE(lockstep({"assess", file}).output.find("\\x1b[2J") != std::string::npos);
  saw_fault("H19", "GO: control characters of names and texts are shown as \\x1b, in one line");
}

TEST_CASE("a file with a damaged or forged schema is refused by name, whatever is damaged",
          "[system]") {
  const TempDir folder;
  const std::string sound = folder.file("sound.db"), file = folder.file("app.db");
  sqlite(sound,
         "PRAGMA page_size = 1024; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE, "
         "w REAL DEFAULT 1.5 CHECK (w > 0), g INT AS (id * 2) STORED);"
         "CREATE TABLE o(a INT REFERENCES t, b BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;"
         "CREATE INDEX i ON t(w) WHERE w > 1; CREATE VIEW s AS SELECT * FROM t JOIN o ON a = id;"
         "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO o VALUES (NEW.id, NEW.v); END;"
         "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300)"
         "INSERT INTO t(id, v) SELECT i, 'value ' || i FROM c");
  const std::string bytes = contents(sound);
  std::string unknown = bytes;
  unknown[47] =
      9;  // the schema's format; SQLite has no code of its own for one that it never wrote
  std::ofstream(file, std::ios::binary) << unknown;
  const Outcome refusal = lockstep({"assess", file});
  require_code(refusal, 7);
  CHECK_THAT(refusal.error_output, Catch::Contains("LS-S322"));
  std::mt19937_64 random(test_seed());
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    damage(file, bytes, random);
    const std::string damaged = contents(file);
    const Outcome outcome = lockstep({"assess", file});
    INFO("seed " << test_seed() << " round " << round << ": " << everything(outcome));
    REQUIRE(outcome.status.code);  // no signal ended it
    REQUIRE(*outcome.status.code != 1);
    if (*outcome.status.code != 0) {
      ++refused;
      REQUIRE(everything(outcome).find("LS-") != std::string::npos);
    }
    REQUIRE(contents(file) == damaged);
  }
  CHECK(refused > 20);
  // trusted_schema stays on: off, an index or generated column on json_extract() could not be read
  // at all. There is no function of ours to be called, and views and triggers are not run.
  saw_fault("H12",
            "REFUSE: by name; 60 random damages a run end without a crash, nothing written. Not as "
            "written: trusted_schema is on (json_extract() in a schema has to be read), and of the "
            "limits only that of a value's length is set");
}

// What SQLite can be talked into loading shows in the dynamic linker's own list.
TEST_CASE("functions that a hostile schema names are not called", "[system]") {
  const TempDir folder;
  const std::string file = folder.file("calls.db"), linked = folder.file("linked");
  const ProcessOptions watched{.environment = {"LD_DEBUG=files", "LD_DEBUG_OUTPUT=" + linked}};
  const std::string load = "load_extension('/nowhere/evil.so')";
  const auto loaded = [&] {
    std::string seen;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      if (entry.path().filename().string().starts_with("linked."))
        seen += contents(entry.path().string());
    REQUIRE(seen.find("libsqlite3") != std::string::npos);
    return seen.find("evil.so") != std::string::npos;
  };
  REQUIRE(test::run({"sqlite3", ":memory:", "SELECT " + load}, watched).status.code == 1);
  REQUIRE(loaded());  // so it would be seen
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    std::filesystem::remove(entry.path());

  sqlite(file, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT DEFAULT (" + load +
                   "), w TEXT); CREATE VIEW a AS SELECT id, " + load +
                   " AS x FROM t; CREATE TRIGGER b INSTEAD OF INSERT ON a BEGIN SELECT " + load +
                   "; END; CREATE TRIGGER c AFTER UPDATE ON t WHEN NEW.w = 'never' BEGIN SELECT " +
                   load + "; END; INSERT INTO t VALUES (1, 'v', 'w')");
  static PostgresServer server{{"fsync=off"}};
  const std::string forged =
      GENERATE(as<std::string>{}, "", "w TEXT CHECK (LOAD)", "w TEXT AS (LOAD) STORED",
               "w TEXT UNIQUE COLLATE evil", "w TEXT NOT NULL DEFAULT (LOAD)");
  if (!forged.empty()) {
    std::string column = forged;
    if (const auto at = column.find("LOAD"); at != std::string::npos)
      column.replace(at, 4, "load_extension(''/nowhere/evil.so'')");
    sqlite(file,
           "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'w "
           "TEXT', '" +
               column + "') WHERE name = 't'");
  }
  INFO(forged);
  const std::string dsn =
      server.create_database("calls" + std::to_string(std::hash<std::string>{}(forged) % 10'000));
  for (const auto& command : {std::vector<std::string>{"assess", file},
                              {"run", file, dsn, "--until", "caught-up"},
                              {"verify", file, dsn}}) {
    const Outcome outcome = lockstep(command, watched);
    INFO(command[0] << ": " << everything(outcome));
    REQUIRE(outcome.status.code);
    REQUIRE(*outcome.status.code != 1);
    if (forged.empty() && command[0] != "assess") CHECK(*outcome.status.code == 0);
  }
  CHECK_FALSE(loaded());
  saw_fault("H12",
            "GO: load_extension() in defaults, views, triggers or a forged schema is never called");
}

}  // namespace lockstep::test
